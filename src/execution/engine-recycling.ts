// Engines that hold more than their budget are replaced by fresh ones, one at a time. The old one serves on until the fresh
// one does, and where that does not come up.

import { judgeMemory, LOOK_EVERY_MS, mebibytes, residentBytesOf } from './memory-budget.ts';
import { restartDelayMs } from './restart-policy.ts';

export interface WatchedEngine {
  readonly engine: { readonly pid: number | undefined; kill(): void };
  batches: number;
  /** When it began with the oldest of its batches. */
  begunAt: number;
  /** Why it was killed, where it was not by its own doing. */
  killedFor: string | undefined;
}

/** What the pool does, and is asked. */
export interface RecyclingPool<Watched extends WatchedEngine> {
  /** All that run, those that have been replaced among them. */
  engines(): readonly Watched[];
  serves(engine: Watched): boolean;
  /** @returns why the fresh one does not serve, or undefined */
  startOne(): Promise<string | undefined>;
  retire(engine: Watched, residentBytes: number): void;
  /** The old one has died, and the fresh one has not come up. */
  bothLost(how: string): void;
}

export class EngineRecycling<Watched extends WatchedEngine> {
  readonly #budgetBytes: number;
  readonly #pool: RecyclingPool<Watched>;
  readonly #looking: NodeJS.Timeout;
  #replaced: Watched | undefined;
  #failures = 0;
  /** No earlier, after a fresh one that did not come up. */
  #from = 0;
  #ended = false;

  constructor(budgetBytes: number, pool: RecyclingPool<Watched>) {
    this.#budgetBytes = budgetBytes;
    this.#pool = pool;
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  /** Whether this is the one whose successor is being started. */
  replaces(engine: Watched): boolean {
    return engine === this.#replaced;
  }

  end(): void {
    this.#ended = true;
    clearInterval(this.#looking);
  }

  #look(): void {
    const now = performance.now();
    for (const watched of this.#pool.engines()) {
      const { engine, batches, begunAt } = watched;
      const residentBytes = residentBytesOf(engine.pid);
      const verdict = judgeMemory(residentBytes, this.#budgetBytes, batches > 0 ? now - begunAt : 0);
      if (verdict === 'kill') {
        watched.killedFor = `held ${mebibytes(residentBytes)} in a run, with a maxEngineBytes of ${mebibytes(this.#budgetBytes)}`;
        engine.kill();
      } else if (verdict === 'replace' && !this.#replaced && now >= this.#from && this.#pool.serves(watched)) {
        void this.#replace(watched, residentBytes!);
      }
    }
  }

  async #replace(watched: Watched, residentBytes: number): Promise<void> {
    this.#replaced = watched;
    const lost = await this.#pool.startOne();
    this.#replaced = undefined;
    if (lost === undefined) {
      this.#failures = 0;
      if (this.#pool.serves(watched)) this.#pool.retire(watched, residentBytes);
    } else if (!this.#ended) {
      this.#failures++;
      this.#from = performance.now() + restartDelayMs(this.#failures);
      if (!this.#pool.serves(watched)) this.#pool.bothLost(lost);
    }
  }
}
