// A limit on a rate: tokens come in evenly, each request takes one, and one second's worth may be saved up.

export class TokenBucket {
  #perSecond: number;
  #most: number;
  #tokens: number;
  #filledAt: number;

  /** @param perSecond over 0; below 1 it takes several seconds for one request */
  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#most = Math.max(1, perSecond);
    this.#tokens = this.#most;
    this.#filledAt = nowMs;
  }

  /** Takes a token. @returns 0, or the milliseconds until there is one */
  take(nowMs: number): number {
    const arrived = ((nowMs - this.#filledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#most, this.#tokens + arrived);
    this.#filledAt = nowMs;
    if (this.#tokens < 1) return ((1 - this.#tokens) / this.#perSecond) * 1000;
    this.#tokens--;
    return 0;
  }
}
