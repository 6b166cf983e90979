// When the queue is looked at next: at the end of this turn of the event loop, so that requests which arrived together run
// together, or at an instant.

export class PumpTimer {
  readonly #pump: () => void;
  readonly #now: () => number;
  #soon: NodeJS.Immediate | undefined;
  #later: NodeJS.Timeout | undefined;

  /** @param now monotonic clock in milliseconds */
  constructor(pump: () => void, now: () => number) {
    this.#pump = pump;
    this.#now = now;
  }

  soon(): void {
    this.#soon ??= setImmediate(() => this.#pump());
  }

  /** Replaces an earlier instant. */
  at(instant: number): void {
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.#pump(), Math.max(0, instant - this.#now()));
  }

  /** The queue is being looked at: the end of the turn has nothing to add. */
  pumped(): void {
    clearImmediate(this.#soon);
    this.#soon = undefined;
  }

  end(): void {
    clearTimeout(this.#later);
  }
}
