// Surroundings of a server that only a namespace of its own can have, and what is asked of it there.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { MAIN } from '../../fixtures/process.ts';

const PORT = 8080;
const END_LIMIT_MS = 20_000;
const OUTPUT_KEPT = 5000;
/** As many handlers as people have of a server in use: each line is the method, the path and the body. */
const REQUESTS = [
  ...['/v2/health/live', '/v2/models', '/metrics', '/openapi.json', '/docs/', '/docs/static/swagger-ui-bundle.js'],
  ...['/v2/models/m/stats', '/v2/logging'],
].map((path) => ['GET', path, '']);
const INFER = ['POST', '/v2/models/m/infer', '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}'];
const RELOAD = ['POST', '/v2/repository/models/m/load', '{}'];

/** In the namespace: waits until the server is ready, sends requests, prints those not answered with 200. */
const CLIENT = `
const [times, ...requests] = JSON.parse(process.argv[1]);
const base = 'http://127.0.0.1:${PORT}';
for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
  const ready = await fetch(base + '/v2/health/ready').catch(() => undefined);
  if (ready?.ok) break;
  if (Date.now() > end) throw new Error('not ready');
}
const failed = [];
for (let i = 0; i < times; i++) {
  for (const [method, path, body] of requests) {
    const answer = await fetch(base + path, { method, ...(body && { body }) }).catch((error) => ({ status: error.message }));
    await answer.arrayBuffer?.();
    if (answer.status !== 200) failed.push(method + ' ' + path + ': ' + answer.status);
  }
}
console.log(JSON.stringify(failed));
`;

/** Why namespaces of these kinds cannot be made here, or undefined. */
export function noNamespace(flags: readonly string[], ...programs: readonly string[]): string | undefined {
  const missing = ['unshare', 'nsenter', ...programs].find((name) => spawnSync('which', [name]).status !== 0);
  if (missing) return `${missing} is not installed`;
  return spawnSync('unshare', [...flags, 'true']).status === 0 ? undefined : 'namespaces need root here';
}

/** Why a network namespace cannot be made here, or undefined. */
export const noNetwork = () =>
  noNamespace(['--net'], 'ip', 'strace') ??
  (spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'out', 'type', 'veth', 'peer', 'name', 'wire']).status === 0
    ? undefined
    : 'the kernel makes no pair of network devices');

export class IsolatedServer {
  /** The exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string | null>;
  output = '';
  #child: ChildProcess;

  /**
   * @param flags of unshare: the namespaces that are its own
   * @param prepare shell commands before the start, the last of which may be a program that becomes the server
   */
  constructor(flags: readonly string[], prepare: string, models: string, args: readonly string[] = []) {
    const serve = [process.execPath, MAIN, 'serve', models, '--port', String(PORT), ...args];
    const script = `set -e\nip link set lo up\n${prepare} "$@"`;
    this.#child = spawn('unshare', ['--net', ...flags, 'sh', '-c', script, 'sh', ...serve], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-OUTPUT_KEPT);
      });
    }
    this.exited = once(this.#child, 'exit').then(([code, signal]) => signal ?? code);
  }

  /** Runs a program beside it, in its network. @returns what it printed @throws what it printed when it failed */
  async beside(program: string, ...args: readonly string[]): Promise<string> {
    const child = spawn('nsenter', ['--target', String(this.#child.pid), '--net', program, ...args]);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`${program} failed: ${text}${this.output}`);
    return text;
  }

  /** Uses it as people do. @returns how many requests were sent, and those that were not answered with 200 */
  async use(times: number, reload: boolean): Promise<{ sent: number; failed: readonly string[] }> {
    const requests = [...REQUESTS, INFER, ...(reload ? [RELOAD, INFER] : [])];
    const args = ['--input-type=module', '--eval', CLIENT, JSON.stringify([times, ...requests])];
    const failed = JSON.parse(await this.beside(process.execPath, ...args));
    return { sent: times * requests.length, failed };
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Ends it by SIGTERM. @returns the exit code, or SIGKILL when it did not end */
  async end(): Promise<number | string | null> {
    const timer = setTimeout(() => this.signal('SIGKILL'), END_LIMIT_MS);
    this.signal('SIGTERM');
    return await this.exited.finally(() => clearTimeout(timer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }
}
