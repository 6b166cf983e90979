// The end of one call: its time limit or the caller's AbortSignal, whichever comes first.

import { OrtletError } from './error.ts';

/** How long the client waits beyond the limit, so that the server's own refusal is the one that counts, in milliseconds. */
const GRACE_MS = 500;
const LONGEST_MS = 999_999_999;

export class Deadline {
  #controller = new AbortController();
  #endsAt: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #caller: AbortSignal | undefined;
  #abort = () => this.#controller.abort(this.#caller?.reason);

  /**
   * @param timeoutMs from 1 to 999999999, or infinity: no limit
   * @throws OrtletError for another limit
   */
  constructor(timeoutMs: number, caller: AbortSignal | undefined) {
    const limited = timeoutMs !== Number.POSITIVE_INFINITY;
    if (limited && !(timeoutMs >= 1 && timeoutMs <= LONGEST_MS)) {
      throw new OrtletError(`timeoutMs must be a number of milliseconds from 1 to ${LONGEST_MS}, got ${timeoutMs}.`);
    }
    this.#endsAt = performance.now() + timeoutMs;
    this.#caller = caller;
    if (caller?.aborted) this.#abort();
    caller?.addEventListener('abort', this.#abort);
    if (!limited) return;
    const expire = () => this.#controller.abort(new OrtletError(`no answer within ${timeoutMs} ms (timeoutMs).`));
    this.#timer = setTimeout(expire, timeoutMs + GRACE_MS);
  }

  /** Aborted at the end; its reason is what the call fails with. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Milliseconds that the server may take, or infinity. */
  get remainingMs(): number {
    return this.#endsAt - performance.now();
  }

  /** Waits for something that goes on for others; rejects at the end. */
  async race<Value>(promise: Promise<Value>): Promise<Value> {
    const ended = new Promise<never>((_, reject) => {
      const end = () => reject(this.signal.reason);
      if (this.signal.aborted) end();
      else this.signal.addEventListener('abort', end);
    });
    return Promise.race([promise, ended]);
  }

  async sleep(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const slept = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await this.race(slept).finally(() => clearTimeout(timer));
  }

  /** To be called when the call is over. */
  release(): void {
    clearTimeout(this.#timer);
    this.#caller?.removeEventListener('abort', this.#abort);
  }
}
