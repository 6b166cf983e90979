// Large bodies are read some parts a turn of the event loop, all senders together: hundreds of fast ones would otherwise
// keep it for as long as all of them have something to give, and hold as much memory.
//
//   turn  ── parts of those that may ──▶ enough: whoever gives more is paused ──┐
//    ▲                                                                          │ the first to wait are the next
//    └──────────────────────────────────────────────────────────────────────────┘

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

  /** A part of a large body has come, and more will. */
  took(bytes: number, body: PausedBody): void {
    this.#left -= bytes;
    if (this.#left <= 0) {
      body.pause();
      this.#waiting.push(body);
    }
    if (this.#turning) return;
    this.#turning = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    const due = this.#waiting.splice(0, TURN_BYTES / PART_BYTES);
    this.#left = TURN_BYTES;
    this.#turning = this.#waiting.length > 0;
    if (this.#turning) setImmediate(() => this.#turn());
    for (const body of due) body.resume();
  }
}
