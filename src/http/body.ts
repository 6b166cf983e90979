// A request's body, read here and not by Fastify: the Content-Type does not matter on inference routes, and every bound
// is kept while the bytes come, not after.

import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createGunzip, createInflate } from 'node:zlib';
import { ServingError } from '../errors.ts';

const DECODERS = { gzip: createGunzip, deflate: createInflate } as const;
/** As in Triton: more non-empty chunks than this make no sense for any body within the limits. */
const MOST_CHUNKS = 65_536;

/**
 * Reads a body, unpacked.
 * @param maxBytes bounds the bytes as they come and as they are unpacked
 * @throws ServingError BODY_TOO_LARGE, UNSUPPORTED_ENCODING, INVALID_REQUEST for damaged data, CANCELLED when the client
 *   goes away in the middle
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const { headers } = request;
  if (Number(headers['content-length']) > maxBytes) throw tooLarge(maxBytes);
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return collect(request, request, maxBytes, clientGone());
  if (!Object.hasOwn(DECODERS, encoding)) {
    throw new ServingError(
      'UNSUPPORTED_ENCODING',
      `Content-Encoding '${encoding}' is not supported: use gzip or deflate.`,
    );
  }
  const damaged = new ServingError('INVALID_REQUEST', `the body is not valid ${encoding} data`);
  return collect(request, request.pipe(DECODERS[encoding as keyof typeof DECODERS]()), maxBytes, damaged);
}

/** @param broken what an error of the source means */
function collect(request: IncomingMessage, source: Readable, maxBytes: number, broken: ServingError): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const fail = (error: ServingError) => {
      reject(error);
      // Nothing more is kept; the request itself is not destroyed, because its connection carries the answer.
      source.removeAllListeners('data');
      chunks.length = 0;
      request.unpipe();
      request.pause();
      if (source !== request) source.destroy();
    };
    source.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBytes) fail(tooLarge(maxBytes));
      else if (chunks.length > MOST_CHUNKS) {
        fail(new ServingError('INVALID_REQUEST', `a body of over ${MOST_CHUNKS} chunks`));
      }
    });
    source.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length)));
    source.on('error', () => fail(broken));
    if (source !== request) request.on('error', () => fail(clientGone()));
  });
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
