// Keeps the event loop turning while the one thing that the server waits for will be there at once: the answer of a short
// run, or the next request of a client that asks one after the other. Asleep it would be woken by another core, which takes
// as long as the run of a small network, and its caches would be cold.
//
//   request ─▶ run out … awake … answered ─▶ nobody inside … awake … next request ─▶

/** What takes longer is waited for asleep: the core is worth more than the wake-up. In milliseconds. */
const LONGEST_EXPECTED_MS = 0.5;
/** What is not there by then is held up. In milliseconds. */
const LONGEST_WAIT_MS = 1;

/** Undefined with one core: awake, the server would keep its engines from running. @param now monotonic clock in milliseconds */
export function busyPolling(cores: number, now: () => number): BusyPolling | undefined {
  return cores > 1 ? new BusyPolling(now) : undefined;
}

export class BusyPolling {
  readonly #now: () => number;
  readonly #turn: (callback: () => void) => void;
  #awaited = 0;
  #until = 0;
  #turning = false;

  /** @param now monotonic clock in milliseconds @param turn calls back in the next turn of the event loop */
  constructor(now: () => number, turn: (callback: () => void) => void = setImmediate) {
    this.#now = now;
    this.#turn = turn;
  }

  /** Something is awaited that usually takes so many milliseconds; every call needs its `end`. */
  begin(expectedMs: number): void {
    this.#awaited++;
    // Where there is more than one thing to wait for, others have use for the core.
    this.#until = this.#awaited === 1 && expectedMs <= LONGEST_EXPECTED_MS ? this.#now() + LONGEST_WAIT_MS : 0;
    if (this.#turning || this.#until === 0) return;
    this.#turning = true;
    this.#turn(this.#look);
  }

  end(): void {
    this.#awaited--;
  }

  #look = (): void => {
    this.#turning = this.#awaited > 0 && this.#now() < this.#until;
    if (this.#turning) this.#turn(this.#look);
  };
}
