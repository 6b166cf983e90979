// A request's body, read here and not by Fastify: the Content-Type does not matter on inference routes, and every bound
// is kept while the bytes come, not after.

import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { ServingError } from '../errors.ts';
import { giveBack } from '../tensor/memory.ts';
import type { PausedBody } from './reading-turns.ts';
import { COUNTED_BYTES, type Transfers } from './transfers.ts';

const DECODERS = { gzip: createGunzip, deflate: createInflate } as const;
/** As in Triton: more non-empty chunks than this make no sense for any body within the limits. */
const MOST_CHUNKS = 65_536;
/** A body of up to so many bytes is joined whenever it has come in so many pieces. */
const JOINED_BYTES = 1024 ** 2;
const MOST_PIECES = 1024;
/** Of a large body that says how long it is: a promise alone is given no memory. */
const FIRST_PART_BYTES = 64 * 1024;

/** Gives at least so many bytes. */
export type BodyMemory = (bytes: number) => ArrayBuffer;

export interface BodyLimits {
  /** Bounds the bytes as they come and as they are unpacked. */
  readonly maxBytes: number;
  /** Large bodies on their way are counted there; one that has come whole is the caller's to release. */
  readonly transfers: Transfers;
  /** Gives at least so many bytes, for a large body of a known length. */
  readonly memory: BodyMemory;
}

/** What is known of a large body before it has come. */
export interface Expectation {
  /** A place in it that is to lie at a multiple of 8 in memory, for typed arrays to be views on it. */
  readonly aligned?: number;
  /** Throws where there is no room for a body of so many bytes; asked with each part of a body of a known length. */
  readonly checkRoom?: (bytes: number) => void;
}

/**
 * Reads a body, unpacked.
 * @throws ServingError BODY_TOO_LARGE, UNSUPPORTED_ENCODING, QUEUE_FULL, REQUEST_TIMEOUT for one that comes too slowly,
 *   INVALID_REQUEST for damaged data, CANCELLED when the client goes away in the middle, or what `checkRoom` throws
 */
export function readBody(request: IncomingMessage, limits: BodyLimits, expectation?: Expectation): Promise<Buffer> {
  const { maxBytes } = limits;
  const { headers } = request;
  // Then none of its events is still to come.
  if (request.destroyed) throw clientGone();
  if (Number(headers['content-length']) > maxBytes) throw tooLarge(maxBytes);
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') {
    return collect(request, request, limits, clientGone, expectation);
  }
  if (!Object.hasOwn(DECODERS, encoding)) {
    throw new ServingError(
      'UNSUPPORTED_ENCODING',
      `Content-Encoding '${encoding}' is not supported: use gzip or deflate.`,
    );
  }
  const damaged = () => new ServingError('INVALID_REQUEST', `the body is not valid ${encoding} data`);
  return collect(request, request.pipe(DECODERS[encoding as keyof typeof DECODERS]()), limits, damaged);
}

/** Those whose rest is read and passed over: a client that may come back finds its connection again. */
const discarded = new WeakSet<IncomingMessage>();

/** Whether the rest of a refused body is still read. */
export function isDiscarded(request: IncomingMessage): boolean {
  return discarded.has(request);
}

/** @param broken what an error of the source means; made when there is one, because an error costs more than a request */
function collect(
  request: IncomingMessage,
  source: Readable,
  limits: BodyLimits,
  broken: () => ServingError,
  expectation?: Expectation,
): Promise<Buffer> {
  const { maxBytes, transfers } = limits;
  return new Promise((resolve, reject) => {
    const expected = source === request ? Number(request.headers['content-length'] ?? 0) : 0;
    const body = new BodyBuffer(expected, expectation, limits);
    let failed = false;
    const refuse = (error: ServingError) => {
      failed = true;
      transfers.end(arriving);
      reject(error);
      // Nothing more is kept.
      body.clear();
    };
    const fail = (error: ServingError) => {
      if (failed) return;
      refuse(error);
      // The request itself is not destroyed, because its connection carries the answer.
      transfers.turns.leave(reading);
      reading.resume();
      source.removeAllListeners('data');
      request.removeAllListeners('data');
      request.unpipe();
      request.pause();
      if (source !== request) source.destroy();
    };
    // Injected requests have no connection.
    const reading = source === request && request.socket instanceof Socket ? readInParts(request) : source;
    const arriving = { socket: request.socket, fail };
    transfers.begin(arriving);
    source.on('data', (chunk: Buffer) => {
      const bytes = chunk.length;
      try {
        if (failed) giveBack(chunk);
        else body.add(chunk);
      } catch (error) {
        if (expected === 0) return fail(error as ServingError);
        discarded.add(request);
        refuse(error as ServingError);
        giveBack(chunk);
      }
      if (body.length > maxBytes) fail(tooLarge(maxBytes));
      else if (body.chunks > MOST_CHUNKS) fail(tooManyChunks());
      else if (body.isLarge && body.length !== expected) transfers.turns.took(bytes, body.chunks === 1, reading);
    });
    source.on('end', () => {
      if (failed) return;
      transfers.end(arriving);
      resolve(body.take());
    });
    source.on('error', () => fail(broken()));
    if (source === request) return;
    request.on('error', () => fail(clientGone()));
    // What is packed may go on without giving anything: empty blocks, a header without an end.
    let [bytes, chunks] = [0, 0];
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) fail(tooLarge(maxBytes));
      else if (++chunks > MOST_CHUNKS) fail(tooManyChunks());
    });
  });
}

/**
 * Paused after its first part, nothing more of it is read, where a stream alone would go on until all has come. The connection
 * is stopped a tick later, because one that is to go on begins to read in its next tick, stopped meanwhile or not.
 */
function readInParts(request: IncomingMessage): PausedBody {
  const { socket } = request;
  let paused = false;
  return {
    pause() {
      request.pause();
      paused = true;
      process.nextTick(() => paused && socket.pause());
    },
    resume() {
      paused = false;
      socket.resume();
      request.resume();
    },
  };
}

/** A large body of a known length is put in its place as it comes: joining its chunks at the end would take long. */
class BodyBuffer {
  length = 0;
  chunks = 0;
  readonly #expected: number;
  readonly #expectation: Expectation | undefined;
  readonly #limits: BodyLimits;
  /** So much is there before it is counted. */
  readonly #uncounted: number;
  #reserved = 0;
  #pieces: Buffer[] = [];
  #whole: Buffer | undefined;

  /** @param expected its length; 0 where nobody knows */
  constructor(expected: number, expectation: Expectation | undefined, limits: BodyLimits) {
    this.#expected = expected;
    this.#expectation = expectation;
    this.#limits = limits;
    this.#uncounted = expected > COUNTED_BYTES ? FIRST_PART_BYTES : COUNTED_BYTES;
  }

  /** As far as is known. */
  get isLarge(): boolean {
    return Math.max(this.#expected, this.length) > COUNTED_BYTES;
  }

  /** @throws ServingError QUEUE_FULL */
  add(chunk: Buffer): void {
    this.chunks++;
    const end = this.length + chunk.length;
    // Each time, because those that came whole meanwhile may have filled the room.
    if (this.#expected > COUNTED_BYTES) this.#expectation?.checkRoom?.(this.#expected);
    if (end > this.#uncounted && end > this.#reserved) this.#reserve(Math.max(this.#expected, end));
    if (this.#whole) {
      this.#whole.set(chunk, this.length);
      giveBack(chunk);
    } else {
      this.#pieces.push(chunk);
      // Each chunk keeps alive all that was read together with it, however small it is itself.
      if (end <= JOINED_BYTES && this.#pieces.length === MOST_PIECES) this.#pieces = [Buffer.concat(this.#pieces)];
    }
    this.length = end;
  }

  /** Once. The request, which is there until the answer is, has nothing of it any more. */
  take(): Buffer {
    const [pieces, whole] = [this.#pieces, this.#whole];
    this.#forget();
    if (whole) return whole;
    // Large bodies have memory of their own, because it may be handed to another thread.
    const isShared = pieces.length === 1 && this.length <= COUNTED_BYTES;
    return isShared ? pieces[0]! : Buffer.concat(pieces, this.length);
  }

  clear(): void {
    this.#pieces.forEach(giveBack);
    if (this.#whole) giveBack(new Uint8Array(this.#whole.buffer));
    this.#forget();
    this.#limits.transfers.release(this.#reserved);
  }

  #forget(): void {
    this.#pieces = [];
    this.#whole = undefined;
  }

  #reserve(bytes: number): void {
    this.#limits.transfers.reserve(bytes - this.#reserved);
    this.#reserved = bytes;
    if (bytes !== this.#expected) return;
    const start = -(this.#expectation?.aligned ?? 0) & 7;
    this.#whole = Buffer.from(this.#limits.memory(start + bytes), start, bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      this.#whole.set(piece, at);
      at += piece.length;
      giveBack(piece);
    }
    this.#pieces = [];
  }
}

function tooManyChunks(): ServingError {
  return new ServingError('INVALID_REQUEST', `a body of over ${MOST_CHUNKS} chunks`);
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
