// The time in which no request is inside. A client that asks one request after the other is back at once, and is waited for
// awake: the next idle time is taken to be as long as the longer one of the last two, because one alone is often short by chance.

/** Where something awaited is waited for. */
export interface Waiting {
  begin(expectedMs: number): void;
  end(): void;
}

export class IdleTime {
  readonly #waiting: Waiting;
  readonly #now: () => number;
  #since: number | undefined;
  #lastMs = Number.POSITIVE_INFINITY;
  #beforeMs = Number.POSITIVE_INFINITY;

  /** @param now monotonic clock in milliseconds */
  constructor(waiting: Waiting, now: () => number) {
    this.#waiting = waiting;
    this.#now = now;
  }

  /** The last request inside has left. */
  began(): void {
    this.#since = this.#now();
    this.#waiting.begin(Math.max(this.#lastMs, this.#beforeMs));
  }

  /** A request has come in. */
  ended(): void {
    if (this.#since === undefined) return;
    this.#beforeMs = this.#lastMs;
    this.#lastMs = this.#now() - this.#since;
    this.#waiting.end();
  }
}
