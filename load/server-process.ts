// A server under test in a process of its own: started on a free port, waited for, ended.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuSeconds } from './cpu-time.ts';

const START_LIMIT_MS = 30_000;
const END_LIMIT_MS = 5_000;
const OUTPUT_KEPT = 4_000;

export class ServerProcess {
  readonly url: string;
  #name: string;
  #child: ChildProcess;
  #output = '';

  /** @param commandLine arguments for the executable, which is node unless given */
  constructor(name: string, port: number, commandLine: readonly string[], executable = process.execPath) {
    this.#name = name;
    this.url = `http://127.0.0.1:${port}`;
    const environment = Object.entries(process.env).filter(([key]) => !key.startsWith('ORTLET_'));
    this.#child = spawn(executable, commandLine, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: Object.fromEntries(environment),
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_KEPT);
      });
    }
  }

  /** @throws Error with what the server printed when it does not come up */
  async ready(): Promise<void> {
    const limit = performance.now() + START_LIMIT_MS;
    while (performance.now() < limit && this.#child.exitCode === null && this.#child.signalCode === null) {
      const response = await fetch(`${this.url}/v2/health/ready`).catch(() => undefined);
      if (response?.ok) return;
      await delay(100);
    }
    throw new Error(`${this.#name} did not come up. ${this.output || 'It printed nothing.'}`);
  }

  /** The end of what the server has printed. */
  get output(): string {
    return this.#output.trim();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** CPU time so far, its engines included; undefined where the system does not tell. */
  get cpuSeconds(): number | undefined {
    return this.#child.pid === undefined ? undefined : cpuSeconds(this.#child.pid);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const kill = setTimeout(() => this.#child.kill('SIGKILL'), END_LIMIT_MS);
    await ended;
    clearTimeout(kill);
  }
}

/** A port of the loopback interface that was free just now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
