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
import { bomb, manyNames, PIECES, PLACES } from '../fixtures/worst-bodies.ts';

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

const piece = fc.oneof(
  fc.constantFrom(...PIECES),
  fc.json({ maxDepth: 2 }).filter((text) => text.length < 40),
);
const place = fc.constantFrom(...PLACES);

test('decoding takes at most 20 times the body', () => {
  // What the first bodies take is more: their code is compiled.
  for (const place of PLACES)
    for (const decode of [decodeJson, decodeBinary])
      timesItsBody(Buffer.from(bomb(place, ['[1]'], BODY_BYTES)), decode);
  let worst = 0;
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 3 }), place, fc.boolean(), (pieces, place, binary) => {
      const body = bomb(place, pieces, BODY_BYTES);
      const times = timesItsBody(Buffer.from(body), binary ? decodeBinary : decodeJson);
      worst = Math.max(worst, times);
      expect(times).toBeLessThan(MOST_TIMES);
    }),
    { seed: 20, numRuns: 400 },
  );
  console.log(`decoding took up to ${worst.toFixed(1)} times the body`);
}, 60_000);

test('so does a body of very many parameters, names or keys', () => {
  for (const body of manyNames(50_000)) {
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
  const rows = ['{"a":1}', '{"a":"a","b":""}', '{"b":[],"a":[]}', '{"b64":""}', '{"b64":"YQ=="}'];
  const decodeFor = (unit: string, place: string, generate: boolean, datatype: Datatype, names: readonly string[]) => {
    const bomb = `${unit},`.repeat(BODY_BYTES / (unit.length + 1)).slice(0, -1);
    const codec = generate ? generateCodec : predictCodec;
    const decode: Decode = (body) => codec.decode(body, undefined, model(datatype, ...names));
    return timesItsBody(Buffer.from(place.replace('…', () => bomb)), decode);
  };
  // As above.
  for (const unit of rows)
    for (let run = 0; run < 3; run++) decodeFor(unit, '{"instances":[…]}', false, 'FP32', ['a', 'b']);
  let worst = 0;
  fc.assert(
    fc.property(
      fc.oneof(piece, fc.constantFrom(...rows)),
      around,
      target,
      fc.boolean(),
      (unit, place, of, generate) => {
        const times = decodeFor(unit, place, generate, ...of);
        worst = Math.max(worst, times);
        expect(times, `${unit} ${place}`).toBeLessThan(MOST_TIMES);
      },
    ),
    { seed: 20, numRuns: 400 },
  );
  console.log(`nested dialects took up to ${worst.toFixed(1)} times the body`);
}, 60_000);
