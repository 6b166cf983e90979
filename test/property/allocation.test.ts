// What decoding a body may take: at most 20 times the body, whatever is in it.

import { getHeapStatistics } from 'node:v8';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { binaryCodec } from '../../src/codec/binary-codec.ts';
import { generateCodec } from '../../src/codec/generate-codec.ts';
import { jsonCodec } from '../../src/codec/json-codec.ts';
import { predictCodec } from '../../src/codec/predict-codec.ts';
import { ServingError } from '../../src/errors.ts';
import type { Datatype } from '../../src/tensor/datatype.ts';

const BODY_BYTES = 512 * 1024;
const MOST_TIMES = 20;
/** The heap counts what it has given out in pieces of up to this. */
const COUNTED_IN_BYTES = 256 * 1024;

/** All that was allocated so far, collected or not, on the heap and beside it. */
function allocated(): number {
  const { total_allocated_bytes, external_memory } = getHeapStatistics() as unknown as Record<string, number>;
  return total_allocated_bytes! + external_memory!;
}

type Decode = (body: Buffer) => unknown;
const decodeJson: Decode = (body) => jsonCodec.decode(body);
const decodeBinary: Decode = (body) => binaryCodec.decode(body, body.length);

function timesItsBody(body: Buffer, decode: Decode): number {
  const before = allocated();
  try {
    decode(body);
  } catch (error) {
    expect(error).toBeInstanceOf(ServingError);
  }
  return (allocated() - before - COUNTED_IN_BYTES) / body.length;
}

/** Small pieces of JSON that take much more memory than text, or look as if. */
const piece = fc.oneof(
  fc.constantFrom(
    '[]',
    '{}',
    '[[]]',
    '[1]',
    '[[1],[2]]',
    '""',
    '"a"',
    '"ab"',
    '1',
    '0.5',
    '-1e-5',
    'null',
    'true',
    'NaN',
  ),
  fc.constantFrom(
    '{"a":1}',
    '{"name":"x"}',
    '[[[[[[]]]]]]',
    '"\\u0041"',
    '12345678901234567890',
    '[1,2,3]',
    '[,',
    '{"a"',
  ),
  fc.json({ maxDepth: 2 }).filter((text) => text.length < 40),
);
/** Where the pieces go; `…` stands for them, `#` for how many there are. */
const place = fc.constantFrom(
  '{"inputs":[{"name":"x","shape":[#],"datatype":"FP32","data":[…]}]}',
  '{"inputs":[{"name":"x","shape":[#],"datatype":"INT64","data":[…]}]}',
  '{"inputs":[{"name":"x","shape":[#],"datatype":"BYTES","data":[…]}]}',
  '{"inputs":[{"name":"x","shape":[#],"datatype":"BOOL","data":[…]}]}',
  '{"inputs":[{"name":"x","shape":[…],"datatype":"FP32","data":[1]}]}',
  '{"inputs":[…]}',
  '{"inputs":[],"outputs":[…]}',
  '{"inputs":[],"parameters":[…]}',
  '{"inputs":[],"other":[…]}',
  '[…]',
);

test('decoding takes at most 20 times the body', () => {
  let worst = 0;
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 3 }), place, fc.boolean(), (pieces, around, binary) => {
      const unit = `${pieces.join()},`;
      const count = Math.floor(BODY_BYTES / unit.length);
      const bomb = unit.repeat(count).slice(0, -1);
      const body = around.replace('#', () => String(count * pieces.length)).replace('…', () => bomb);
      const times = timesItsBody(Buffer.from(body), binary ? decodeBinary : decodeJson);
      worst = Math.max(worst, times);
      expect(times).toBeLessThan(MOST_TIMES);
    }),
    { seed: 20, numRuns: 400 },
  );
  console.log(`decoding took up to ${worst.toFixed(1)} times the body`);
}, 60_000);

test('so does a body of very many parameters, names or keys', () => {
  const keys = (count: number) => Array.from({ length: count }, (_, i) => `"k${i}":1`).join();
  const inputs = (count: number) =>
    Array.from({ length: count }, (_, i) => `{"name":"${i}","shape":[0],"datatype":"FP32"}`).join();
  for (const body of [
    `{"inputs":[${'1,'.repeat(100_000)}1]}`,
    `{"inputs":[],"outputs":[${'1,'.repeat(100_000)}1]}`,
    `{"inputs":[],"parameters":[${'1,'.repeat(100_000)}1]}`,
    `{"inputs":[],"parameters":{${keys(50_000)}}}`,
    `{"inputs":[],${keys(50_000)}}`,
    `{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1],"parameters":{${keys(50_000)}}}]}`,
    `{"inputs":[${inputs(15_000)}]}`,
  ]) {
    expect(timesItsBody(Buffer.from(body), decodeJson), body.slice(0, 60)).toBeLessThan(MOST_TIMES);
  }
});

test('so do the dialects whose shapes are told by nesting', () => {
  const model = (datatype: Datatype, ...names: string[]) => {
    const inputs = names.map((name) => ({ name, datatype, shape: [-1] }));
    return { name: 'm', signature: { inputs, outputs: [], batchable: true, hasRows: true } };
  };
  const around = fc.constantFrom(
    '{"instances":[…]}',
    '{"inputs":[…]}',
    '{"inputs":{"a":[…]}}',
    '{"a":[…]}',
    '{"b":[…]}',
  );
  const target = fc.tuple(fc.constantFrom<Datatype>('FP32', 'INT64', 'BYTES'), fc.constantFrom(['a'], ['a', 'b']));
  const rows = fc.constantFrom('{"a":1}', '{"a":"a","b":""}', '{"b":[],"a":[]}', '{"b64":""}', '{"b64":"YQ=="}');
  fc.assert(
    fc.property(fc.oneof(piece, rows), around, target, fc.boolean(), (unit, place, [datatype, names], generate) => {
      const bomb = `${unit},`.repeat(BODY_BYTES / (unit.length + 1)).slice(0, -1);
      const codec = generate ? generateCodec : predictCodec;
      const decode: Decode = (body) => codec.decode(body, undefined, model(datatype, ...names));
      expect(timesItsBody(Buffer.from(place.replace('…', () => bomb)), decode), `${unit} ${place}`).toBeLessThan(
        MOST_TIMES,
      );
    }),
    { seed: 20, numRuns: 400 },
  );
}, 60_000);
