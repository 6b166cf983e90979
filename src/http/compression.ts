// Compressed bodies: gzip and deflate (zlib format) in on inference, and out where the client asks for them.

import { type Readable, Transform } from 'node:stream';
import { promisify } from 'node:util';
import { createGunzip, createInflate, deflate, gzip } from 'node:zlib';
import type { FastifyReply, FastifyRequest, preParsingHookHandler, RequestPayload } from 'fastify';
import { ServingError } from '../errors.ts';

const ENCODERS = { gzip: promisify(gzip), deflate: promisify(deflate) };
type Encoding = keyof typeof ENCODERS;
const DECODERS = { gzip: createGunzip, deflate: createInflate } as const;

/** Below this size packing costs more than it saves. */
const WORTH_PACKING_BYTES = 1024;

/**
 * Unpacks a compressed body while it is read; Fastify counts the unpacked bytes against the body limit and stops there.
 * @throws ServingError UNSUPPORTED_ENCODING, or INVALID_REQUEST for a damaged body
 */
export const unpackBody: preParsingHookHandler = (request, reply, payload, done) => {
  const encoding = request.headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return done(null, payload);
  if (!Object.hasOwn(DECODERS, encoding)) {
    reply.header('accept-encoding', 'gzip, deflate');
    return done(
      new ServingError('UNSUPPORTED_ENCODING', `Content-Encoding '${encoding}' is not supported: use gzip or deflate.`),
    );
  }
  done(null, unpack(payload, encoding as Encoding));
};

function unpack(payload: RequestPayload, encoding: Encoding): RequestPayload {
  // Fastify compares this count with Content-Length, which speaks of the packed bytes.
  const counter = new Transform({
    transform(chunk: Buffer, _, next) {
      unpacked.receivedEncodedLength = (unpacked.receivedEncodedLength ?? 0) + chunk.length;
      next(null, chunk);
    },
  });
  const decoder = DECODERS[encoding]();
  const unpacked = decoder as Readable as RequestPayload;
  unpacked.receivedEncodedLength = 0;
  decoder.on('error', (cause) => {
    (cause as Error & { statusCode?: number }).statusCode = 400;
    cause.message = `the body is not valid ${encoding} data`;
  });
  payload.on('error', (error) => decoder.destroy(error));
  payload.pipe(counter).pipe(decoder);
  return unpacked;
}

/** Sends a body, packed if the client asks for it and it is worth it. */
export function sendPacked(
  request: Pick<FastifyRequest, 'headers'>,
  reply: FastifyReply,
  body: string | Uint8Array,
): FastifyReply | Promise<FastifyReply> {
  const accepted = request.headers['accept-encoding'];
  const encoding =
    accepted === undefined || body.length < WORTH_PACKING_BYTES ? undefined : chooseEncoding(String(accepted));
  if (!encoding) return reply.send(body);
  reply.header('content-encoding', encoding);
  reply.header('vary', 'accept-encoding');
  return ENCODERS[encoding](body).then((packed) => reply.send(packed));
}

/** The encoding with the highest weight, the first of equals; undefined for none (RFC 9110, section 12.5.3). */
function chooseEncoding(accepted: string): Encoding | undefined {
  let best: { name: string; weight: number } | undefined;
  for (const part of accepted.slice(0, 1000).split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
    if (name !== 'identity' && !Object.hasOwn(ENCODERS, name)) continue;
    if (weight > 0 && weight > (best?.weight ?? 0)) best = { name, weight };
  }
  return best && best.name !== 'identity' ? (best.name as Encoding) : undefined;
}
