// Everything that a load test starts, and ends: the models' folder, both servers, the generator, the bare loop.

import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BareResult, BareTask } from './bare-loop.ts';
import type { LoadResult, LoadTask, Sender } from './generator.ts';
import { writeModels } from './models.ts';
import { freePort, ServerProcess } from './server-process.ts';
import { SENDER_FLAGS, TaskProcess } from './task-process.ts';

export type Competitor = 'handWritten' | 'ortlet';

export class Stage {
  readonly models = writeModels();
  /** onnxruntime's threads in the hand-written server and the bare loop. */
  readonly threads: number;
  readonly sender: Sender;
  readonly generator = new TaskProcess<LoadTask, LoadResult>(new URL('./generator.ts', import.meta.url), SENDER_FLAGS);
  readonly bareLoop = new TaskProcess<BareTask, BareResult>(new URL('./bare-loop.ts', import.meta.url));
  #servers: Partial<Record<Competitor, ServerProcess>> = {};

  constructor(threads: number, sender: Sender) {
    this.threads = threads;
    this.sender = sender;
  }

  /** Starts both servers with the same models; Ortlet chooses its own number of threads. */
  async open(): Promise<void> {
    const ports = [await freePort(), await freePort()] as const;
    const threads = ['--threads', String(this.threads)];
    const baseline = [pathOf('./baseline-server.ts'), '--models', this.models, '--port', String(ports[0]), ...threads];
    const port = ['--port', String(ports[1])];
    const ortlet = [pathOf('../src/main.ts'), 'serve', this.models, ...port, '--log-level', 'warn'];
    this.#servers = {
      handWritten: new ServerProcess('The hand-written server', ports[0], baseline),
      ortlet: new ServerProcess('Ortlet', ports[1], ortlet),
    };
    await Promise.all([this.server('handWritten').ready(), this.server('ortlet').ready()]);
  }

  server(competitor: Competitor): ServerProcess {
    return this.#servers[competitor]!;
  }

  async end(): Promise<void> {
    this.generator.end();
    this.bareLoop.end();
    await Promise.all(Object.values(this.#servers).map((server) => server.end()));
    rmSync(this.models, { recursive: true, force: true });
  }
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
