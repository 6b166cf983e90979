// One timer for all deadlines of a model. Most requests are answered long before theirs, so the timer is not touched
// when they are: it looks again when it fires.

export interface WithDeadline {
  readonly deadlineAt: number;
}

export class Deadlines<Item extends WithDeadline> {
  readonly #now: () => number;
  readonly #onPassed: (item: Item) => void;
  readonly #items = new Set<Item>();
  #timer: NodeJS.Timeout | undefined;
  #firesAt = Number.POSITIVE_INFINITY;

  /** @param onPassed called at an item's deadline, if it is still there */
  constructor(now: () => number, onPassed: (item: Item) => void) {
    this.#now = now;
    this.#onPassed = onPassed;
  }

  add(item: Item): void {
    this.#items.add(item);
    if (item.deadlineAt < this.#firesAt) this.#arm(item.deadlineAt);
  }

  delete(item: Item): void {
    this.#items.delete(item);
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
    let next = Number.POSITIVE_INFINITY;
    for (const item of this.#items) {
      if (item.deadlineAt > now) next = Math.min(next, item.deadlineAt);
      else {
        this.#items.delete(item);
        this.#onPassed(item);
      }
    }
    if (next < this.#firesAt) this.#arm(next);
  }
}
