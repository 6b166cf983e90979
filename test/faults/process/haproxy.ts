// HAProxy in front of servers, as people put it there: health checks on readiness, a queue of retries for connections that
// are refused. Its configuration is gone after the trial.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../load/server-process.ts';
import { until } from '../../fixtures/server.ts';

/** How often readiness is asked for; two answers decide. */
const CHECK_MS = 100;
/** A server that goes must be not ready for longer than two checks, their answers, and what was on its way. */
export const NOTICED_AFTER_MS = 10 * CHECK_MS;

/** Why there is none, or undefined. */
export function haproxyMissing(): string | undefined {
  return spawnSync('haproxy', ['-v']).status === 0 ? undefined : 'haproxy is not installed';
}

export class Haproxy {
  readonly url: string;
  #statistics: string;
  #folder = mkdtempSync(join(tmpdir(), 'ortlet-haproxy-'));
  #child: ChildProcess;
  #exited: Promise<unknown>;

  private constructor(ports: readonly number[], port: number, statisticsPort: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.#statistics = `http://127.0.0.1:${statisticsPort}/;csv`;
    const file = join(this.#folder, 'haproxy.cfg');
    writeFileSync(file, configuration(ports, port, statisticsPort));
    this.#child = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' });
    this.#exited = once(this.#child, 'exit');
  }

  /** Resolves when it takes all servers for ready. @param ports of servers that are */
  static async start(ports: readonly number[]): Promise<Haproxy> {
    const haproxy = new Haproxy(ports, await freePort(), await freePort());
    await haproxy.allReady(ports.length);
    return haproxy;
  }

  /** Resolves when it takes so many servers for ready. */
  async allReady(servers: number): Promise<void> {
    await until(async () => {
      const answer = await fetch(this.#statistics).catch(() => undefined);
      const lines = (await answer?.text())?.split('\n') ?? [];
      return lines.filter((line) => /^servers,s\d+,/.test(line) && /,UP,/.test(line)).length === servers;
    }, 30_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
    rmSync(this.#folder, { recursive: true });
  }
}

function configuration(ports: readonly number[], port: number, statisticsPort: number): string {
  return `
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout check 5s
  retries 3
  option redispatch
frontend clients
  bind 127.0.0.1:${port}
  default_backend servers
backend servers
  balance roundrobin
  option httpchk GET /v2/health/ready
  default-server check inter ${CHECK_MS}ms fall 2 rise 2
${ports.map((server, i) => `  server s${i} 127.0.0.1:${server}`).join('\n')}
frontend statistics
  bind 127.0.0.1:${statisticsPort}
  stats enable
  stats uri /
`;
}
