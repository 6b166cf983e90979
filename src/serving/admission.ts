// Who is let in: the cheapest refusals, before anything is decoded or queued.

import { ServingError } from '../errors.ts';
import type { IdleTime } from './idle-time.ts';

export class Admission {
  #maxInFlightBytes: number;
  #idleTime: IdleTime | undefined;
  #bytes = 0;
  #requests = 0;
  #draining = false;
  #closed: PromiseWithResolvers<void> | undefined;

  /**
   * @param maxInFlightBytes bodies of all requests inside at most; one larger request alone is still let in
   * @param idleTime hears when nobody is inside
   */
  constructor(maxInFlightBytes: number, idleTime?: IdleTime) {
    this.#maxInFlightBytes = maxInFlightBytes;
    this.#idleTime = idleTime;
  }

  get requests(): number {
    return this.#requests;
  }

  /** Whether the end has begun: requests are still let in, but clients should go elsewhere. */
  get draining(): boolean {
    return this.#draining;
  }

  drain(): void {
    this.#draining = true;
  }

  /**
   * Counts a request in; every admit needs its `leave` with the same size.
   * @throws ServingError SERVER_STOPPING or QUEUE_FULL
   */
  admit(bytes: number): void {
    if (this.#closed) {
      throw new ServingError('SERVER_STOPPING', 'The server is shutting down.', { retryAfterMs: 1000 });
    }
    if (this.#requests > 0 && this.#bytes + bytes > this.#maxInFlightBytes) {
      const limit = `${this.#maxInFlightBytes} bytes of requests are inside already (maxInFlightBytes)`;
      throw new ServingError('QUEUE_FULL', `The server is full: ${limit}. Retry later.`, { retryAfterMs: 1000 });
    }
    if (this.#requests++ === 0) this.#idleTime?.ended();
    this.#bytes += bytes;
  }

  leave(bytes: number): void {
    this.#bytes -= bytes;
    if (--this.#requests > 0) return;
    this.#idleTime?.began();
    this.#closed?.resolve();
  }

  /** Lets nobody in any more; resolves when the last request has left. */
  close(): Promise<void> {
    this.#draining = true;
    this.#closed ??= Promise.withResolvers<void>();
    if (this.#requests === 0) this.#closed.resolve();
    return this.#closed.promise;
  }
}
