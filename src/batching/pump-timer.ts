// When the queue is looked at next: as soon as all who are about to join it have, so that requests which arrived together
// run together, or at an instant.

export class PumpTimer {
  readonly #pump: () => void;
  readonly #now: () => number;
  #soon = false;
  #later: NodeJS.Timeout | undefined;

  /** @param now monotonic clock in milliseconds */
  constructor(pump: () => void, now: () => number) {
    this.#pump = pump;
    this.#now = now;
  }

  soon(): void {
    if (this.#soon) return;
    this.#soon = true;
    process.nextTick(() => {
      if (this.#soon) this.#pump();
    });
  }

  /** Replaces an earlier instant. */
  at(instant: number): void {
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.#pump(), Math.max(0, instant - this.#now()));
  }

  /** The queue is being looked at: there is no need to again. */
  pumped(): void {
    this.#soon = false;
  }

  end(): void {
    clearTimeout(this.#later);
  }
}
