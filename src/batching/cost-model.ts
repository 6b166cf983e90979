// What a run costs, learnt: first from the curve measured when the model was loaded, then from every run there is.
//
// Work is rows, times their size where the model leaves it free: tokens of a text, pixels of an image. The cost is kept at knots, the
// powers of two, and taken as linear between them:
//
//   ms │              ●        a run of 6 rows moves the knots 4 and 8, each by its share of the error
//      │         ●
//      │  ●   ●
//      └──┴───┴────┴────┴─ work
//         1   2    4    8
//
// The curve is what a run takes with its cores to itself. Runs that had to share them tell nothing about it, only how much longer
// everything takes at the moment.

/** One point of a model's batch curve: a run of so many rows took so long, seen from the server, in milliseconds. */
export interface BatchCurvePoint {
  readonly rows: number;
  readonly ms: number;
}

/**
 * Mean errors that few runs are aside by. Measured on the refusals of overload: with one, 2 to 3 % came late, with three
 * half a percent, and as many answers came in time.
 */
const ERRORS_ASIDE = 3;
/** Share of an error that one observation corrects. */
const LEARN = 0.15;
/** A larger batch is worth its latency while it makes a row at least so much cheaper. */
const KNEE_GAIN = 0.05;
const MOST_KNOTS = 40;
/** One run that was held up says little. */
const MOST_SLOWDOWN = 10;

export class CostModel {
  #knots: (number | undefined)[] = [];
  /** Mean of |predicted - actual| / actual over the last runs. */
  #error = 0;
  /** How many times as long as alone runs take now. */
  #slowdown = 1;
  /** The limit that was asked for last, until more is learnt. */
  #limitOf = 0;
  #limit = 0;

  /** @param curve measured beforehand, of rows with `length` units of work each */
  constructor(curve: readonly BatchCurvePoint[] = [], length = 1) {
    for (const { rows, ms } of curve) this.#learn(rows * length, ms, 1);
  }

  /** Whether anything is known. */
  get calibrated(): boolean {
    return this.#knots.length > 0;
  }

  /** Times a prediction: what few runs exceed, for promises. */
  get caution(): number {
    return 1 + ERRORS_ASIDE * this.#error;
  }

  /**
   * Learns from a finished run.
   * @param crowded whether it had to share its cores
   * @returns what had been predicted for it, in milliseconds; 0: nothing
   */
  observe(work: number, ms: number, crowded = false): number {
    const predicted = this.predictMs(work);
    if (predicted > 0 && ms > 0) this.#error += LEARN * (Math.min(1, Math.abs(predicted - ms) / ms) - this.#error);
    if (!crowded || !this.calibrated) this.#learn(work, ms, LEARN);
    const slowdown = crowded ? Math.max(1, ms / Math.max(Number.EPSILON, this.aloneMs(work))) : 1;
    this.#slowdown += LEARN * (Math.min(MOST_SLOWDOWN, slowdown) - this.#slowdown);
    return predicted;
  }

  /**
   * Predicted time of one run as things are now, in milliseconds, never negative; 0 while nothing was observed.
   * @param work from 1
   */
  predictMs(work: number): number {
    return this.aloneMs(work) * this.#slowdown;
  }

  /** Whether a prediction for this work rests on runs of about its size, four times as much or as little at most. @param work from 1 */
  knows(work: number): boolean {
    const below = 31 - Math.clz32(work || 1);
    for (let knot = below - 1; knot <= below + 1; knot++) if (this.#knots[knot] !== undefined) return true;
    return false;
  }

  /** The same with its cores to itself. */
  aloneMs(work: number): number {
    const below = 31 - Math.clz32(work || 1);
    const low = this.#at(below);
    return low + (this.#at(below + 1) - low) * shareBeyond(below, work);
  }

  /**
   * Work beyond which a larger batch makes no row cheaper and only adds latency: the smallest knot at which a unit of
   * work costs at most 5 % more than at the best one. Sizes that have never been run are worth a try.
   * @param most largest work that is allowed
   */
  limit(most: number): number {
    if (most !== this.#limitOf) {
      this.#limitOf = most;
      this.#limit = this.#knee(most);
    }
    return this.#limit;
  }

  #knee(most: number): number {
    const last = this.#knots.length - 1;
    if (last < 0) return most;
    const costOf = (knot: number) => (this.#knots[knot] ?? Number.POSITIVE_INFINITY) / 2 ** knot;
    let best = Number.POSITIVE_INFINITY;
    for (let knot = 0; knot <= last; knot++) best = Math.min(best, costOf(knot));
    let knee = 0;
    while (knee < last && !(costOf(knee) <= best * (1 + KNEE_GAIN))) knee++;
    return knee === last ? most : Math.min(most, 2 ** knee);
  }

  #learn(work: number, ms: number, rate: number): void {
    this.#limitOf = 0;
    const below = 31 - Math.clz32(work || 1);
    const share = shareBeyond(below, work);
    if (!this.calibrated) {
      this.#knots[below] = ms / (1 + share);
      if (share > 0) this.#knots[below + 1] = (2 * ms) / (1 + share);
      return;
    }
    // What was only guessed from other sizes is put right at once by a run that took less.
    const believed = this.#knots[below] === undefined && ms < this.aloneMs(work) ? 1 : rate;
    // As far as both knots together must move for the prediction to be right, each by its share (normalised least mean squares).
    const step = (believed * (ms - this.aloneMs(work))) / ((1 - share) ** 2 + share ** 2);
    const [low, high] = [this.#at(below), this.#at(below + 1)];
    this.#knots[below] = Math.max(0, low + step * (1 - share));
    if (share > 0) this.#knots[below + 1] = Math.max(0, high + step * share);
  }

  /** The cost at a knot; where it is not known, in proportion to the work at the nearest one that is. */
  #at(knot: number): number {
    const known = this.#knots[knot];
    if (known !== undefined) return known;
    for (let distance = 1; distance <= MOST_KNOTS; distance++) {
      const below = this.#knots[knot - distance];
      if (below !== undefined) return below * 2 ** distance;
      const above = this.#knots[knot + distance];
      if (above !== undefined) return above / 2 ** distance;
    }
    return 0;
  }
}

/** How far work lies from the knot below it to the next one, from 0 to 1; shifted, because `**` is a call. @param work from 1 */
function shareBeyond(below: number, work: number): number {
  return (work || 1) / ((1 << below) >>> 0) - 1;
}
