// A server in a process of its own, started as people start it, to which a fault does what it likes.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../load/server-process.ts';
import { residentBytesOf } from '../../src/execution/memory-budget.ts';
import { MAIN } from '../fixtures/process.ts';

const START_LIMIT_MS = 30_000;
const END_LIMIT_MS = 30_000;
const OUTPUT_KEPT = 20_000;

export interface Launch {
  /** A folder of models, or one file. */
  readonly models: string;
  /** Further arguments of `ortlet serve`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What the server is started by, such as `['prlimit', '--nofile=64']`. */
  readonly by?: readonly string[];
  readonly cwd?: string;
  /** A free one by default. */
  readonly port?: number;
}

export class ServerUnderTest {
  readonly port: number;
  readonly url: string;
  /** The exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string | null>;
  output = '';
  #child: ChildProcess;

  private constructor(port: number, { models, args = [], env = {}, by = [], cwd }: Launch) {
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    const command = [...by, process.execPath, MAIN, 'serve', models, '--port', String(port), ...args];
    this.#child = spawn(command[0]!, command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd && { cwd }),
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.output = (this.output + chunk.toString()).slice(-OUTPUT_KEPT);
      });
    }
    this.exited = once(this.#child, 'exit').then(([code, signal]) => signal ?? code);
  }

  /** Without waiting for anything. */
  static async launch(launch: Launch): Promise<ServerUnderTest> {
    return new ServerUnderTest(launch.port ?? (await freePort()), launch);
  }

  /** Resolves when it is ready. @throws Error with what it printed when it does not come up */
  static async start(launch: Launch): Promise<ServerUnderTest> {
    const server = await ServerUnderTest.launch(launch);
    try {
      await server.ready();
    } catch (error) {
      server.kill();
      throw error;
    }
    return server;
  }

  /** The server's process, or that of what it was started by where this does not become the server. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** The processes whose parent the server is. */
  get engines(): readonly number[] {
    return childrenOf(this.pid);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async ready(): Promise<void> {
    const limit = performance.now() + START_LIMIT_MS;
    while (performance.now() < limit && this.running) {
      const response = await fetch(`${this.url}/v2/health/ready`).catch(() => undefined);
      await response?.arrayBuffer();
      if (response?.ok) return;
      await delay(50);
    }
    throw new Error(`the server did not come up: ${this.output}`);
  }

  /** Resident memory of the server's process alone, in bytes. */
  get residentBytes(): number {
    return residentBytesOf(this.pid) ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Ends it by SIGTERM. @returns the exit code, or SIGKILL when it did not end */
  async end(): Promise<number | string | null> {
    const timer = setTimeout(() => this.kill(), END_LIMIT_MS);
    this.signal('SIGTERM');
    return await this.exited.finally(() => clearTimeout(timer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.exited;
  }
}

/** The processes whose parent a process is. */
export function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => childrenOfThread(`/proc/${pid}/task/${task}/children`));
}

function childrenOfThread(path: string): readonly number[] {
  try {
    return readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    // The thread has ended since they were listed.
    return [];
  }
}
