// Requests that came in one turn of the event loop go through each step together: what one has just run is still in the
// processor's caches for the next (Larus and Parkes, "Using Cohort Scheduling to Enhance Server Performance", 2002).
//
//   sockets read     a head, b head, c head
//   gathered         a b c bodies ─▶ a b c decoded ─▶ one batch of a b c
//   batch answered   a b c encoded ─▶ a b c written

/** Hears of each turn of the event loop in which requests come. */
export interface TurnObserver {
  happened(): void;
}

export class Cohort {
  readonly #observer: TurnObserver | undefined;
  #gathering: Promise<void> | undefined;

  constructor(observer?: TurnObserver) {
    this.#observer = observer;
  }

  /** Resolves when all sockets that were ready in this turn have been read, for all who ask in it at once. */
  gathered(): Promise<void> {
    this.#gathering ??= this.#gather();
    return this.#gathering;
  }

  #gather(): Promise<void> {
    this.#observer?.happened();
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#gathering = undefined;
        resolve();
      });
    });
  }
}
