// Refusals for load, a few a turn of the event loop: clients that come back at once would otherwise have all of them
// answered between two looks at the engines, and the engines would stand still meanwhile.
//
//   turn  ── engines' answers, requests ── 10 refusals ──┐
//    ▲                                                    │ the others wait, and so do their clients
//    └────────────────────────────────────────────────────┘

/** They take about as long as it may be until an engine's answer is seen: one or two milliseconds. */
const EACH_TURN = 10;

export class Refusals {
  #left = EACH_TURN;
  #waiting: (() => void)[] = [];
  #turning = false;

  /** @param refuse is called now, or in one of the next turns, first come, first served */
  add(refuse: () => void): void {
    if (this.#left > 0) {
      this.#left--;
      refuse();
    } else this.#waiting.push(refuse);
    if (this.#turning) return;
    this.#turning = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    const due = this.#waiting.splice(0, EACH_TURN);
    this.#left = EACH_TURN - due.length;
    this.#turning = due.length > 0;
    if (this.#turning) setImmediate(() => this.#turn());
    for (const refuse of due) refuse();
  }
}
