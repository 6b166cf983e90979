// An engine that serves, with the batches it has: it runs them one after the other.

import type { EngineProcess } from './engine-process.ts';
import type { WatchedEngine } from './engine-recycling.ts';
import { RunLimit } from './run-limit.ts';

export class EnginePlace implements WatchedEngine {
  readonly engine: EngineProcess;
  readonly limit: RunLimit;
  batches = 0;
  begunAt = 0;
  killedFor: string | undefined;
  /** When it answered last. */
  answeredAt = 0;

  /** @param runLimitMs a run that takes longer gets the engine killed */
  constructor(engine: EngineProcess, runLimitMs: number) {
    this.engine = engine;
    this.limit = new RunLimit(engine, runLimitMs);
  }

  /** A batch is on its way to it. */
  sent(): void {
    this.batches++;
    if (this.batches === 1) this.#begin();
  }

  /** A batch has ended, well or not. */
  ended(): void {
    this.batches--;
    this.limit.end();
    if (this.batches > 0) this.#begin();
  }

  #begin(): void {
    this.begunAt = performance.now();
    this.limit.begin(this.begunAt);
  }
}
