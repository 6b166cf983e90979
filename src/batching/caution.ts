// How much longer than expected a request's wait is taken to be when it is let in: learnt from those who were let in and
// then missed their deadline. So few of them do that nearly all who are refused are refused at once.
//
//   share   ▲ missed: a step up
//           │  ╱╲      ╱╲
//           │ ╱  ╲____╱  ╲____     met, with little time left: a little down
//           └──────────────────▶

/** Of those with little time left so many may miss their deadline in the long run. */
const MISSED_SHARE = 0.005;
const STEP = 0.1;
/** An engine is kept busy by two runs' worth of requests, whatever has been learnt from deadlines that nothing could meet. */
const MOST = 1;
/** Who is answered in the first half of its time says nothing about how near to the deadline one may go. */
const LITTLE_TIME_LEFT = 0.5;

export class Caution {
  #share = 0;

  /** 0 to 1: what is added to the expected time, as a share of it. */
  get share(): number {
    return this.#share;
  }

  /** One was let in and has been answered. @param timeUsed of the time it had, 0 to 1 */
  met(timeUsed: number): void {
    if (timeUsed > LITTLE_TIME_LEFT) this.#share = Math.max(0, this.#share - STEP * MISSED_SHARE);
  }

  /** One was let in, and its time was up before it had been answered. */
  missed(): void {
    this.#share = Math.min(MOST, this.#share + STEP);
  }
}
