// One timer for all deadlines of a model. Most requests are answered long before theirs, so nothing is kept for them and
// the timer is not touched when they are: it looks at those who are still there when it fires.

export interface WithDeadline {
  readonly deadlineAt: number;
}

export class Deadlines<Item extends WithDeadline> {
  readonly #now: () => number;
  readonly #items: () => Iterable<Item>;
  readonly #onPassed: (item: Item) => void;
  #timer: NodeJS.Timeout | undefined;
  #firesAt = Number.POSITIVE_INFINITY;

  /**
   * @param items those who still wait for an answer
   * @param onPassed called at an item's deadline
   */
  constructor(now: () => number, items: () => Iterable<Item>, onPassed: (item: Item) => void) {
    this.#now = now;
    this.#items = items;
    this.#onPassed = onPassed;
  }

  /** Makes sure that the timer fires by an item's deadline. */
  watch({ deadlineAt }: Item): void {
    if (deadlineAt < this.#firesAt) this.#arm(deadlineAt);
  }

  /** Looks no more; what has the timer would stay in memory until it fires. */
  end(): void {
    clearTimeout(this.#timer);
    this.#firesAt = Number.NEGATIVE_INFINITY;
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#firesAt = at;
    // A wait beyond what a timer can hold just looks again sooner.
    const wait = Math.min(Math.max(0, at - this.#now()), 2 ** 30);
    this.#timer = setTimeout(() => this.#fire(), Math.ceil(wait)).unref();
  }

  #fire(): void {
    const now = this.#now();
    this.#firesAt = Number.POSITIVE_INFINITY;
    // Copied, because what is passed on leaves the queue.
    for (const item of [...this.#items()]) {
      if (item.deadlineAt <= now) this.#onPassed(item);
      else this.watch(item);
    }
  }
}
