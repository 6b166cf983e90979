// Large bodies and answers on their way: counted, so that slow or many peers cannot fill the memory with them, and bodies
// that come too slowly are ended.

import type { OutgoingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { ServingError } from '../errors.ts';
import { ReadingTurns } from './reading-turns.ts';

/** Smaller ones are not counted: their number is bounded by that of connections. */
export const COUNTED_BYTES = 128 * 1024;
/** Of a body: who brings less for so long holds a connection on purpose. */
const LEAST_BYTES_PER_SECOND = 1024;
const SLOW_FOR_MS = 20_000;

/** A body that has not come whole. */
export interface ArrivingBody {
  readonly socket: Pick<Socket, 'bytesRead'>;
  readonly fail: (error: ServingError) => void;
}

interface Progress {
  bytesRead: number;
  at: number;
}

export class Transfers {
  readonly turns = new ReadingTurns();
  #maxBytes: number;
  #now: () => number;
  #bytes = 0;
  #arriving = new Map<ArrivingBody, Progress | undefined>();

  /** @param maxBytes on their way in one direction or the other; one larger body or answer alone is let through */
  constructor(maxBytes: number, now: () => number) {
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  /** Every reservation needs its `release`. @throws ServingError QUEUE_FULL */
  reserve(bytes: number): void {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#maxBytes) {
      const limit = `${this.#maxBytes} bytes of large bodies and answers are on their way already (maxInFlightBytes)`;
      throw new ServingError('QUEUE_FULL', `The server is full: ${limit}. Retry later.`, { retryAfterMs: 1000 });
    }
    this.#bytes += bytes;
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }

  begin(body: ArrivingBody): void {
    this.#arriving.set(body, undefined);
  }

  end(body: ArrivingBody): void {
    this.#arriving.delete(body);
  }

  /** Ends the bodies that come too slowly; to be called every few seconds, which costs a fast body nothing. */
  endSlowBodies(): void {
    const now = this.#now();
    for (const [body, last] of this.#arriving) {
      const { bytesRead } = body.socket;
      const seconds = last ? (now - last.at) / 1000 : 0;
      if (!last || bytesRead - last.bytesRead >= seconds * LEAST_BYTES_PER_SECOND) {
        this.#arriving.set(body, { bytesRead, at: now });
      } else if (now - last.at >= SLOW_FOR_MS) {
        body.fail(
          new ServingError(
            'REQUEST_TIMEOUT',
            `The body came too slowly: under ${LEAST_BYTES_PER_SECOND} bytes a second for ${SLOW_FOR_MS / 1000} s.`,
          ),
        );
      }
    }
  }
}

/** To be called when an answer has been written. @param taken called when its connection has taken all of it, or never will */
export function whenTaken(message: OutgoingMessage, taken: () => void): void {
  if (message.writableLength === 0 || message.destroyed) taken();
  else message.once('close', taken);
}
