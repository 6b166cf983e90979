// A dialect whose requests and answers are JSON throughout, as one codec reads and writes them.

import type { InferCodec } from '../codec/codec.ts';
import { CODECS, type DecodedBy } from '../codec/codecs.ts';
import { type DecodingThread, LARGE_JSON_BYTES } from '../codec/decoding-thread.ts';
import type { Dialect } from './inference-exchange.ts';

/** Large bodies are decoded beside the event loop. */
export function jsonDialect<Name extends 'predict' | 'generate' | 'invocations'>(
  name: Name,
  thread: DecodingThread,
): Dialect<DecodedBy<Name>> {
  const codec = CODECS[name] as unknown as InferCodec<DecodedBy<Name>>;
  return {
    decode(body, _headers, model) {
      const target = model();
      if (body.length > LARGE_JSON_BYTES) return thread.decode(name, body, undefined, target);
      return codec.decode(body, undefined, target);
    },
    encode: codec.encode,
  };
}
