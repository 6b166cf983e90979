// How likely one more request follows soon. Clients that were answered together come back together, and bursts come in a
// row: what counts is not the mean rate but what usually happens right after a request, or right after a run.

/** Share of a new observation in the estimate. */
const LEARN = 0.1;

export class Arrivals {
  #likelihood = 0;
  #lastAt = Number.NEGATIVE_INFINITY;

  /** Probability that a request comes within the window after another one, or after the end of a run. */
  get likelihood(): number {
    return this.#likelihood;
  }

  /** When the last request came or the last run ended; instants in milliseconds. */
  get lastAt(): number {
    return this.#lastAt;
  }

  /** A request has come. @param windowMs what counts as soon */
  arrived(now: number, windowMs: number): void {
    this.#learn(now - this.#lastAt <= windowMs);
    this.#lastAt = now;
  }

  /** A run has ended, and its clients have their answers. */
  answered(now: number, windowMs: number): void {
    if (now - this.#lastAt > windowMs) this.#learn(false);
    this.#lastAt = now;
  }

  #learn(soon: boolean): void {
    this.#likelihood += LEARN * (Number(soon) - this.#likelihood);
  }
}
