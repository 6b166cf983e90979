import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeStrings, encodeStrings } from '../../src/tensor/bytes.ts';
import { fromHalf, toHalf } from '../../src/tensor/float16.ts';
import { joinRows, ShapeKeys, shapeKey, splitRows } from '../../src/tensor/rows.ts';
import type { NamedTensors } from '../../src/tensor/tensor.ts';
import { tensorOf, text } from '../fixtures/tensors.ts';

const HALF_RANGE = { min: -65_504, max: 65_504, noNaN: true };

test('every half survives the way through a number', () => {
  for (let half = 0; half < 0x10000; half++) {
    if ((half & 0x7fff) > 0x7c00) expect(fromHalf(half)).toBeNaN();
    else expect(toHalf(fromHalf(half))).toBe(half);
  }
});

test('a number becomes the nearest half', () => {
  fc.assert(
    fc.property(fc.oneof(fc.float(HALF_RANGE), fc.double(HALF_RANGE)), (value) => {
      const half = toHalf(value);
      const error = Math.abs(fromHalf(half) - value);
      for (const neighbour of [half - 1, half + 1]) {
        if ((neighbour & 0x7fff) < 0x7c00 && neighbour >= 0)
          expect(error).toBeLessThanOrEqual(Math.abs(fromHalf(neighbour) - value));
      }
    }),
    { numRuns: 2000 },
  );
});

test('a number just beside the middle of two halves is not rounded twice', () => {
  const [middle, little] = [1 + 2 ** -11, 2 ** -40];
  expect([middle - little, middle, middle + little].map(toHalf).map(fromHalf)).toEqual([1, 1, 1 + 2 ** -10]);
  expect([65_520 - little * 1024, 65_520].map(toHalf).map(fromHalf)).toEqual([65_504, Infinity]);
  expect(toHalf(-(middle + little))).toBe(toHalf(middle + little) | 0x8000);
});

test('length-prefixed strings come back as they were', () => {
  fc.assert(
    fc.property(fc.array(text), (strings) => {
      expect(decodeStrings(encodeStrings(strings))).toEqual(strings);
    }),
  );
});

test('broken string blocks name the element and the fault', () => {
  expect(decodeStrings(Buffer.from([3, 0, 0, 0, 0x61]))).toEqual({ element: 0, reason: 'truncated' });
  expect(decodeStrings(Buffer.from([1, 0, 0, 0, 0x61, 1, 0, 0, 0, 0xff]))).toEqual({ element: 1, reason: 'not UTF-8' });
  expect(decodeStrings(Buffer.from([1, 0, 0, 0, 0]))).toEqual({ element: 0, reason: 'holds NUL' });
});

test('split of join gives the requests back, for numbers and strings', () => {
  const part = (rows: number, seed: number): NamedTensors =>
    new Map([
      [
        'a',
        tensorOf(
          'FP32',
          [rows, 3],
          Array.from({ length: rows * 3 }, (_, i) => seed + i),
        ),
      ],
      [
        'b',
        tensorOf(
          'BYTES',
          [rows],
          Array.from({ length: rows }, (_, i) => `${seed}.${i}`),
        ),
      ],
    ]);
  fc.assert(
    fc.property(fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }), (rowCounts) => {
      const parts = rowCounts.map((rows, i) => part(rows, 100 * i));
      const split = splitRows(joinRows(parts), rowCounts);
      expect(split.map((tensors) => [...tensors])).toEqual(parts.map((tensors) => [...tensors]));
    }),
  );
});

test('only requests that differ in nothing but their rows may share a batch', () => {
  const key = (datatype: 'FP32' | 'INT32', shape: number[]) =>
    shapeKey(new Map([['x', tensorOf(datatype, shape, [])]]));
  expect(key('FP32', [1, 8])).toBe(key('FP32', [7, 8]));
  expect(key('FP32', [1, 8])).not.toBe(key('FP32', [1, 9]));
  expect(key('FP32', [1, 8])).not.toBe(key('INT32', [1, 8]));
});

test('requests that come one after the other have the keys that each has by itself', () => {
  const tensor = fc.record({
    name: fc.constantFrom('x', 'y'),
    datatype: fc.constantFrom('FP32' as const, 'INT32' as const),
    shape: fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 3 }),
  });
  const request = fc
    .uniqueArray(tensor, { maxLength: 2, selector: ({ name }) => name })
    .map((tensors) => new Map(tensors.map(({ name, datatype, shape }) => [name, tensorOf(datatype, shape, [])])));
  fc.assert(
    fc.property(fc.array(request, { maxLength: 8 }), (requests) => {
      const keys = new ShapeKeys();
      expect(requests.map((inputs) => keys.keyOf(inputs))).toEqual(requests.map((inputs) => shapeKey(inputs)));
    }),
  );
});
