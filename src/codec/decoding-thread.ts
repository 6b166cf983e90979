// Decodes large bodies beside the event loop, so that health and every other request are answered meanwhile. Memory goes
// over and comes back without a copy.
//
//   event loop ──body──▶ worker thread: JSON → typed arrays ──tensors──▶ event loop

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type ErrorCode, ServingError } from '../errors.ts';
import type { DecodedRequest, DecodingTarget } from './codec.ts';
import type { CodecName, DecodedBy } from './codecs.ts';

/** JSON of over so many bytes is decoded beside the event loop: below, that takes about a millisecond. */
export const LARGE_JSON_BYTES = 256 * 1024;

export interface DecodingJob {
  readonly id: number;
  readonly codec: CodecName;
  /** Holds the body, and nothing that is used elsewhere. */
  readonly memory: ArrayBuffer;
  /** Where the body begins. */
  readonly start: number;
  readonly length: number;
  readonly headerLength: number | undefined;
  /** Where the codec needs it. */
  readonly model: DecodingTarget | undefined;
}

export type DecodingOutcome =
  | { readonly request: DecodedRequest }
  | { readonly code: ErrorCode; readonly message: string };

export type DecodingAnswer = DecodingOutcome & {
  readonly id: number;
  /** The body's memory, unless tensors are views on it. */
  readonly memory: ArrayBuffer | undefined;
};

const ENTRY = new URL(`./decoding-worker${extname(import.meta.url)}`, import.meta.url);
/** Memory of so many bodies is kept, so long after the last. */
const MOST_SPARE = 2;
const SPARE_KEPT_MS = 10_000;
/** Strings are the only elements on the thread's own heap; 64 MiB of the shortest ones take half of this. */
const HEAP_MB = 1024;

export class DecodingThread {
  #worker: Worker | undefined;
  #waiting = new Map<number, PromiseWithResolvers<DecodedRequest>>();
  #lastId = 0;
  #spare: ArrayBuffer[] = [];
  #forgetting: NodeJS.Timeout | undefined;

  /**
   * Memory for a body that is to be decoded here: of an earlier one, where there is some. Getting and giving back tens of
   * megabytes for each body would stop the event loop for longer than copying the bytes does.
   * @returns at least so many bytes
   */
  memory(bytes: number): ArrayBuffer {
    const index = this.#spare.findIndex(({ byteLength }) => byteLength >= bytes);
    return index < 0 ? Buffer.allocUnsafeSlow(bytes).buffer : this.#spare.splice(index, 1)[0]!;
  }

  /**
   * Decodes a body as a codec does. The thread starts with the first.
   * @param body memory of its own, which is given away
   * @param model what the other thread is told of it; undefined for a codec that does not look at the model
   * @throws ServingError of the codec
   */
  decode<Name extends CodecName>(
    codec: Name,
    body: Buffer,
    headerLength?: number,
    model?: DecodingTarget,
  ): Promise<DecodedBy<Name>> {
    this.#worker ??= this.#start();
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<DecodedRequest>();
    this.#waiting.set(id, answer);
    const memory = body.buffer as ArrayBuffer;
    const target = model && tellable(model);
    const { byteOffset: start, length } = body;
    const job: DecodingJob = { id, codec, memory, start, length, headerLength, model: target };
    this.#worker.postMessage(job, [memory]);
    return answer.promise as Promise<DecodedBy<Name>>;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(ENTRY, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB } });
    worker.unref();
    worker.on('message', ({ id, memory, ...outcome }: DecodingAnswer) => {
      if (memory) this.#keep(memory);
      const answer = this.#waiting.get(id)!;
      this.#waiting.delete(id);
      if ('request' in outcome) answer.resolve(outcome.request);
      else answer.reject(new ServingError(outcome.code, outcome.message));
    });
    worker.on('error', (error) => this.#lost(error));
    return worker;
  }

  #keep(memory: ArrayBuffer): void {
    if (this.#spare.length < MOST_SPARE) this.#spare.push(memory);
    clearTimeout(this.#forgetting);
    this.#forgetting = setTimeout(() => this.#spare.splice(0), SPARE_KEPT_MS).unref();
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

/** Names, datatypes and shapes alone. */
function tellable({ name, signature }: DecodingTarget): DecodingTarget {
  const { inputs, outputs, batchable, hasRows } = signature;
  const tensors = (all: typeof inputs) => all.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
  return { name, signature: { inputs: tensors(inputs), outputs: tensors(outputs), batchable, hasRows } };
}
