import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkClassifiable, classify } from '../../src/tensor/classification.ts';
import { tensorOf } from '../fixtures/tensors.ts';

const floats = tensorOf('FP32', [2, 3], [0.1, 0.7, 0.2, 5, 5, -1]);

test('each row becomes its highest classes, ties in order of their index', () => {
  expect(classify(floats, 2, true, [])).toEqual({
    datatype: 'BYTES',
    shape: [2, 2],
    data: ['0.700000:1', '0.200000:2', '5.000000:0', '5.000000:1'],
  });
});

test('labels are added where there are any; no more classes than there are elements', () => {
  expect(classify(tensorOf('INT32', [1, 2], [3, 4]), 9, true, ['a']).data).toEqual(['4:1', '3:0:a']);
});

test('the highest of very many are those that sorting all of them would give, NaN last', () => {
  const value = fc.oneof(fc.integer({ min: -50, max: 50 }), fc.constantFrom(Number.NaN, Infinity, -Infinity));
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 2000, size: 'max' }),
      fc.integer({ min: 1, max: 400 }),
      (values, count) => {
        const rank = (i: number) => (Number.isNaN(values[i]) ? -Infinity : values[i]!);
        const sorted = values.map((_, i) => i).sort((a, b) => (rank(a) === rank(b) ? a - b : rank(b) - rank(a)));
        const { data } = classify(tensorOf('FP64', [values.length], values), count, false, []);
        expect(data).toEqual(sorted.slice(0, count).map((i) => `${values[i]!.toFixed(6)}:${i}`));
      },
    ),
    { numRuns: 200 },
  );
});

test('so many classes that making them would keep others waiting are refused', () => {
  const wide = tensorOf('UINT8', [2, 40_000], Array(80_000).fill(1));
  expect(() => classify(wide, 1e9, true, [])).toThrow('asks for 80000 classes: at most 65536');
  expect(classify(wide, 30_000, true, []).shape).toEqual([2, 30_000]);
});

test('a model without rows is classified as a whole', () => {
  expect(classify(floats, 1, false, [])).toMatchObject({ shape: [1], data: ['5.000000:3'] });
});

test('what has no order is refused, and so is what is too large', () => {
  expect(() => checkClassifiable({ name: 'y', datatype: 'BYTES' })).toThrow(
    "class result not available for output 'y'",
  );
  expect(() => classify(tensorOf('UINT8', [1_000_001], Array(1_000_001).fill(0)), 1, false, [])).toThrow('too large');
});
