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

test('a model without rows is classified as a whole', () => {
  expect(classify(floats, 1, false, [])).toMatchObject({ shape: [1], data: ['5.000000:3'] });
});

test('what has no order is refused, and so is what is too large', () => {
  expect(() => checkClassifiable({ name: 'y', datatype: 'BYTES' })).toThrow(
    "class result not available for output 'y'",
  );
  expect(() => classify(tensorOf('UINT8', [1_000_001], Array(1_000_001).fill(0)), 1, false, [])).toThrow('too large');
});
