// Keeps the event loop turning while what the server waits for will be there at once: the answer of a short run, the next
// request of a client that asks one after the other, or, while things happen all the time, the next of them, whatever it is.
// Asleep it would be woken by another core, which takes as long as the run of a small network, and its caches would be cold.
//
//   one thing      request ─▶ run out … awake … answered ─▶ nobody inside … awake … next request ─▶
//   many           read · answered · read ─▶ … awake while it is quiet for tenths of a millisecond … ─▶ answered · read

/** What takes longer is waited for asleep: the core is worth more than the wake-up. In milliseconds. */
const LONGEST_EXPECTED_MS = 0.5;
/** What is not there by then is held up. In milliseconds. */
const LONGEST_WAIT_MS = 1;
/** The mean time between two things that happen up to which the next one is waited for awake, whatever it is. */
const SHORT_QUIET_MS = 0.1;
/** So long it is waited for, after the last one has been dealt with. */
const LONGEST_QUIET_MS = 0.3;
/** A longer time between two is as good as this: the load has changed, and how long ago says nothing. */
const LONG_QUIET_MS = 1;
/** Share of a new observation in the mean. */
const LEARN = 0.05;

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
  /** Whether anything has happened in this turn. */
  #working = false;
  #quietSince = 0;
  #quietMs = LONG_QUIET_MS;
  #quietUntil = 0;

  /** @param now monotonic clock in milliseconds @param turn calls back at the end of this turn of the event loop, or in the next one */
  constructor(now: () => number, turn: (callback: () => void) => void = setImmediate) {
    this.#now = now;
    this.#turn = turn;
  }

  /** Something is awaited that usually takes so many milliseconds; every call needs its `end`. */
  begin(expectedMs: number): void {
    this.#awaited++;
    // With more than one thing to wait for others have use for the core, unless one of them will be there in no time at all.
    this.#until = this.#awaited === 1 && expectedMs <= LONGEST_EXPECTED_MS ? this.#now() + LONGEST_WAIT_MS : 0;
    if (this.#until > 0) this.#keepTurning();
  }

  /** It is there. */
  end(): void {
    this.#awaited--;
    this.happened();
  }

  /** Something has come in, from an engine or a client; of several in one turn of the event loop the first one counts. */
  happened(): void {
    if (this.#working) return;
    this.#working = true;
    const quietMs = Math.min(this.#now() - this.#quietSince, LONG_QUIET_MS);
    this.#quietMs += LEARN * (quietMs - this.#quietMs);
    this.#keepTurning();
  }

  #keepTurning(): void {
    if (this.#turning) return;
    this.#turning = true;
    this.#turn(this.#look);
  }

  #look = (): void => {
    const now = this.#now();
    if (this.#working) {
      this.#working = false;
      this.#quietSince = now;
      this.#quietUntil = this.#quietMs <= SHORT_QUIET_MS ? now + LONGEST_QUIET_MS : 0;
    }
    this.#turning = now < this.#quietUntil || (this.#awaited > 0 && now < this.#until);
    if (this.#turning) this.#turn(this.#look);
  };
}
