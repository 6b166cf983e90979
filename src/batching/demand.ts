// How much is asked for, whether it is let in or not: what may still come to share a run.

/** How long what was asked for counts, in milliseconds: it fades by a factor of e in so much time. */
const MEMORY_MS = 500;

export class Demand {
  #perMs = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** Something was asked for. @param now instant in milliseconds @param work rows times length */
  asked(now: number, work: number): void {
    this.#perMs = this.perMs(now) + work / MEMORY_MS;
    this.#at = now;
  }

  /** Work in a millisecond, as of late. */
  perMs(now: number): number {
    return this.#perMs * Math.exp((this.#at - now) / MEMORY_MS);
  }
}
