// What a run costs, learnt from the runs there were: L(n) = a + b·n, by least squares with exponential forgetting.

const FORGET = 0.95;

export class CostModel {
  #weight = 0;
  #n = 0;
  #t = 0;
  #nn = 0;
  #nt = 0;

  /** @param rows rows of a finished run @param ms how long it took */
  observe(rows: number, ms: number): void {
    this.#weight = FORGET * this.#weight + 1;
    this.#n = FORGET * this.#n + rows;
    this.#t = FORGET * this.#t + ms;
    this.#nn = FORGET * this.#nn + rows * rows;
    this.#nt = FORGET * this.#nt + rows * ms;
  }

  /** Predicted time of one run in milliseconds, never negative; 0 while nothing was observed. */
  predictMs(rows: number): number {
    if (this.#weight === 0) return 0;
    const meanRows = this.#n / this.#weight;
    const meanMs = this.#t / this.#weight;
    const variance = this.#nn / this.#weight - meanRows ** 2;
    // Runs of one size say nothing about the slope: then time is taken as proportional to rows.
    if (variance < 1e-6 * meanRows ** 2 + 1e-12) return meanRows > 0 ? (meanMs * rows) / meanRows : meanMs;
    const slope = Math.max(0, (this.#nt / this.#weight - meanRows * meanMs) / variance);
    return Math.max(0, meanMs + slope * (rows - meanRows));
  }
}
