import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeStrings, encodeStrings } from '../../src/tensor/bytes.ts';
import { fromHalf, toHalf } from '../../src/tensor/float16.ts';
import { joinRows, shapeKey, splitRows } from '../../src/tensor/rows.ts';
import type { NamedTensors } from '../../src/tensor/tensor.ts';
import { tensorOf, text } from '../fixtures/tensors.ts';

test('every half survives the way through a number', () => {
  for (let half = 0; half < 0x10000; half++) {
    if ((half & 0x7fff) > 0x7c00) expect(fromHalf(half)).toBeNaN();
    else expect(toHalf(fromHalf(half))).toBe(half);
  }
});

test('a number becomes the nearest half', () => {
  fc.assert(
    fc.property(fc.float({ min: Math.fround(-65504), max: Math.fround(65504), noNaN: true }), (value) => {
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
