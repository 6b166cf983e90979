// Keeps the event loop turning while a run is out that will be back at once. Asleep it would be woken by another core, which
// takes as long as the run of a small network, and its caches would be cold: at one request at a time the median of
// simplenet's answers went from 0.63 to 0.55 ms; with 32 at a time it made no difference.

/** Runs that take longer are waited for asleep: the core is worth more than the wake-up. In milliseconds. */
const LONGEST_RUN_MS = 0.2;
/** So long after it was asked, an engine that has not answered is held up. In milliseconds. */
const LONGEST_WAIT_MS = 0.4;

export class BusyPolling {
  #waits = 0;
  #until = 0;
  #polling = false;

  /** To be called when a run is sent that is expected to take so long; every call needs its `end`. */
  begin(expectedMs: number): void {
    this.#waits++;
    if (expectedMs > LONGEST_RUN_MS) return;
    this.#until = performance.now() + LONGEST_WAIT_MS;
    if (this.#polling) return;
    this.#polling = true;
    setImmediate(this.#poll);
  }

  end(): void {
    this.#waits--;
  }

  #poll = (): void => {
    this.#polling = this.#waits > 0 && performance.now() < this.#until;
    if (this.#polling) setImmediate(this.#poll);
  };
}
