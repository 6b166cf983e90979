// The codecs by name, so that another thread can be told which one to use.

import { binaryCodec } from './binary-codec.ts';
import { generateCodec } from './generate-codec.ts';
import { invocationsCodec } from './invocations-codec.ts';
import { jsonCodec } from './json-codec.ts';
import { predictCodec } from './predict-codec.ts';

export const CODECS = {
  json: jsonCodec,
  binary: binaryCodec,
  predict: predictCodec,
  generate: generateCodec,
  invocations: invocationsCodec,
};

export type CodecName = keyof typeof CODECS;

/** What a codec makes of a body. */
export type DecodedBy<Name extends CodecName> = ReturnType<(typeof CODECS)[Name]['decode']>;
