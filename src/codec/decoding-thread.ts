// Decodes large bodies beside the event loop, so that health and every other request are answered meanwhile. Memory goes
// over and comes back without a copy.
//
//   event loop ──body──▶ worker thread: JSON → typed arrays ──tensors──▶ event loop

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, ServingError } from '../errors.ts';
import type { DecodedRequest } from './codec.ts';

/** JSON of over so many bytes is decoded beside the event loop: below, that takes about a millisecond. */
export const LARGE_JSON_BYTES = 256 * 1024;

export interface DecodingJob {
  readonly id: number;
  readonly body: ArrayBuffer;
  readonly headerLength: number | undefined;
}

export type DecodingOutcome =
  | { readonly request: DecodedRequest }
  | { readonly code: ErrorCode; readonly message: string };

const ENTRY = new URL(`./decoding-worker${extname(import.meta.url)}`, import.meta.url);
/** Strings are the only elements on the thread's own heap; 64 MiB of the shortest ones take half of this. */
const HEAP_MB = 1024;

export class DecodingThread {
  #worker: Worker | undefined;
  #waiting = new Map<number, PromiseWithResolvers<DecodedRequest>>();
  #lastId = 0;

  /**
   * Decodes a body as the JSON codec does, or the binary codec where there is a header length. The thread starts with the
   * first.
   * @param body memory of its own, which is given away
   * @throws ServingError of the codecs
   */
  decode(body: Buffer, headerLength: number | undefined): Promise<DecodedRequest> {
    this.#worker ??= this.#start();
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<DecodedRequest>();
    this.#waiting.set(id, answer);
    const memory = body.buffer as ArrayBuffer;
    this.#worker.postMessage({ id, body: memory, headerLength } satisfies DecodingJob, [memory]);
    return answer.promise;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(ENTRY, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } });
    worker.unref();
    worker.on('message', ({ id, ...outcome }: { id: number } & DecodingOutcome) => {
      const answer = this.#waiting.get(id)!;
      this.#waiting.delete(id);
      if ('request' in outcome) answer.resolve(outcome.request);
      else answer.reject(new ServingError(outcome.code, outcome.message));
    });
    worker.on('error', (error) => this.#lost(error));
    return worker;
  }

  /** The one whose body broke the thread cannot be told from those behind it. */
  #lost(cause: unknown): void {
    this.#worker = undefined;
    const { code } = cause as NodeJS.ErrnoException;
    const error =
      code === 'ERR_WORKER_OUT_OF_MEMORY'
        ? new ServingError('BODY_TOO_LARGE', 'The body takes too much memory to decode. Send less at a time.', {
            cause,
          })
        : new ServingError('INTERNAL', 'Internal error while the body was decoded.', { cause });
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
