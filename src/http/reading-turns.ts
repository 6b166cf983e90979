// Large bodies are read some parts a turn of the event loop, all senders together: hundreds of fast ones would otherwise
// keep it for as long as all of them have something to give, and hold as much memory.
//
//   turn  ── parts of those that may ──▶ enough: whoever gives more is paused ──┐
//    ▲                                                                          │ who was read before goes before
//    └──────────────────────────────────────────────────────────────────────────┘ who has only begun

/** Takes a few tenths of a millisecond. */
const TURN_BYTES = 256 * 1024;
/** Node reads at most so much at once. */
const PART_BYTES = 64 * 1024;

export interface PausedBody {
  pause(): void;
  resume(): void;
}

export class ReadingTurns {
  #left = TURN_BYTES;
  #waiting: PausedBody[] = [];
  #turning = false;

  /** A part of a large body has come, and more will. @param isFirst of what was read here */
  took(bytes: number, isFirst: boolean, body: PausedBody): void {
    this.#left -= bytes;
    if (this.#left <= 0) {
      body.pause();
      // One whole body takes as much memory as two halves, but not for as long.
      if (isFirst) this.#waiting.push(body);
      else this.#waiting.unshift(body);
    }
    if (this.#turning) return;
    this.#turning = true;
    setImmediate(() => this.#turn());
  }

  /** It is not to be read any further. */
  leave(body: PausedBody): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting !== body);
  }

  #turn(): void {
    const due = this.#waiting.splice(0, TURN_BYTES / PART_BYTES);
    this.#left = TURN_BYTES;
    this.#turning = this.#waiting.length > 0;
    if (this.#turning) setImmediate(() => this.#turn());
    for (const body of due) body.resume();
  }
}
