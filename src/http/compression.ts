// Answers packed as the client asks. Only inference answers are: clients of the protocol read errors as they come.

import { promisify } from 'node:util';
import { deflate, gzip } from 'node:zlib';
import type { EncodedBody } from '../codec/codec.ts';

const ENCODERS = { gzip: promisify(gzip), deflate: promisify(deflate) };
type Encoding = keyof typeof ENCODERS;

/** Below this size packing costs more than it saves. */
const WORTH_PACKING_BYTES = 1024;

export interface PackedBody {
  readonly body: string | Uint8Array;
  /** What follows `body`. */
  readonly blobs: readonly Uint8Array[];
  /** Names and values in turn. */
  readonly headers: readonly string[];
}

/** The body as the client wants it, with the headers that say so; a promise only where there is something to pack. */
export function packBody(
  acceptEncoding: string | undefined,
  { body, blobs = [] }: Pick<EncodedBody, 'body' | 'blobs'>,
): PackedBody | Promise<PackedBody> {
  const worthIt = acceptEncoding !== undefined && (body.length >= WORTH_PACKING_BYTES || blobs.length > 0);
  const encoding = worthIt ? chooseEncoding(acceptEncoding) : undefined;
  if (!encoding) return { body, blobs, headers: [] };
  const headers = ['content-encoding', encoding, 'vary', 'accept-encoding'];
  const whole = blobs.length > 0 ? Buffer.concat([body as Uint8Array, ...blobs]) : body;
  return ENCODERS[encoding](whole).then((packed) => ({ body: packed, blobs: [], headers }));
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
