// A request's body, read here and not by Fastify: the Content-Type does not matter on inference routes, and every bound
// is kept while the bytes come, not after.

import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { ServingError } from '../errors.ts';

const DECODERS = { gzip: createGunzip, deflate: createInflate } as const;
/** As in Triton: more non-empty chunks than this make no sense for any body within the limits. */
const MOST_CHUNKS = 65_536;
const WORTH_PLACING_BYTES = 256 * 1024;
/** After so much of one body the event loop turns to others: a fast sender could keep it for milliseconds. */
const TURN_BYTES = 256 * 1024;

/** Gives at least so many bytes. */
export type BodyMemory = (bytes: number) => ArrayBuffer;

/**
 * Reads a body, unpacked.
 * @param memory gives at least so many bytes, for a large body of a known length
 * @param maxBytes bounds the bytes as they come and as they are unpacked
 * @throws ServingError BODY_TOO_LARGE, UNSUPPORTED_ENCODING, INVALID_REQUEST for damaged data, CANCELLED when the client
 *   goes away in the middle
 */
export function readBody(request: IncomingMessage, maxBytes: number, memory: BodyMemory): Promise<Buffer> {
  const { headers } = request;
  if (Number(headers['content-length']) > maxBytes) throw tooLarge(maxBytes);
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return collect(request, request, maxBytes, memory, clientGone);
  if (!Object.hasOwn(DECODERS, encoding)) {
    throw new ServingError(
      'UNSUPPORTED_ENCODING',
      `Content-Encoding '${encoding}' is not supported: use gzip or deflate.`,
    );
  }
  const damaged = () => new ServingError('INVALID_REQUEST', `the body is not valid ${encoding} data`);
  return collect(request, request.pipe(DECODERS[encoding as keyof typeof DECODERS]()), maxBytes, memory, damaged);
}

/** @param broken what an error of the source means; made when there is one, because an error costs more than a request */
function collect(
  request: IncomingMessage,
  source: Readable,
  maxBytes: number,
  memory: BodyMemory,
  broken: () => ServingError,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const body = new BodyBuffer(source === request ? Number(request.headers['content-length']) : Number.NaN, memory);
    let failed = false;
    const fail = (error: ServingError) => {
      failed = true;
      reject(error);
      // Nothing more is kept; the request itself is not destroyed, because its connection carries the answer.
      source.removeAllListeners('data');
      body.clear();
      request.unpipe();
      request.pause();
      if (source !== request) source.destroy();
    };
    let untilPause = TURN_BYTES;
    source.on('data', (chunk: Buffer) => {
      body.add(chunk);
      untilPause -= chunk.length;
      if (body.length > maxBytes) fail(tooLarge(maxBytes));
      else if (body.chunks > MOST_CHUNKS) {
        fail(new ServingError('INVALID_REQUEST', `a body of over ${MOST_CHUNKS} chunks`));
      } else if (untilPause <= 0) {
        untilPause = TURN_BYTES;
        source.pause();
        setImmediate(() => failed || source.resume());
      }
    });
    source.on('end', () => resolve(body.take()));
    source.on('error', () => fail(broken()));
    if (source !== request) request.on('error', () => fail(clientGone()));
  });
}

/** A large body of a known length is put in its place as it comes: joining its chunks at the end would take long. */
class BodyBuffer {
  length = 0;
  chunks = 0;
  readonly #expected: number;
  readonly #memory: BodyMemory;
  #pieces: Buffer[] = [];
  #whole: Buffer | undefined;

  constructor(expected: number, memory: BodyMemory) {
    this.#expected = expected;
    this.#memory = memory;
  }

  add(chunk: Buffer): void {
    this.chunks++;
    const end = this.length + chunk.length;
    // A promise alone is given no memory: the first part must have come.
    if (!this.#whole && end > WORTH_PLACING_BYTES && this.#expected >= end) {
      this.#whole = Buffer.from(this.#memory(this.#expected), 0, this.#expected);
      this.#whole.set(Buffer.concat(this.#pieces));
      this.#pieces = [];
    }
    if (this.#whole) this.#whole.set(chunk, this.length);
    else this.#pieces.push(chunk);
    this.length = end;
  }

  take(): Buffer {
    if (this.#whole) return this.#whole;
    // Large bodies have memory of their own, because it may be handed to another thread.
    const isShared = this.#pieces.length === 1 && this.length <= WORTH_PLACING_BYTES;
    return isShared ? this.#pieces[0]! : Buffer.concat(this.#pieces, this.length);
  }

  clear(): void {
    this.#pieces = [];
    this.#whole = undefined;
  }
}

function clientGone(): ServingError {
  return new ServingError('CANCELLED', 'The client closed the connection.');
}

function tooLarge(maxBytes: number): ServingError {
  return new ServingError(
    'BODY_TOO_LARGE',
    `The body exceeds the maximum allowed size of ${maxBytes} bytes (maxBodyBytes).`,
  );
}
