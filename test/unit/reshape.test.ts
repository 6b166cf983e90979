import { describe, expect, test } from 'vitest';
import { canReshape, toClientShapes, toModelShapes } from '../../src/tensor/reshape.ts';
import { tensorOf } from '../fixtures/tensors.ts';

const floats = (shape: number[]) => tensorOf('FP32', shape, Array(shape.reduce((a, b) => a * b, 1)).fill(1));
const both = (client: number[], model: number[]) => new Map([['x', { client, model }]]);

describe('a tensor goes to the model and back', () => {
  test.each([
    { client: [-1, 2, 4, -1, 6], model: [-1, 8, -1, 1, 6], sent: [3, 2, 4, 5, 6], given: [3, 8, 5, 1, 6] },
    { client: [-1, 1], model: [-1], sent: [4, 1], given: [4] },
    { client: [3], model: [1, 3], sent: [3], given: [1, 3] },
    { client: [1], model: [], sent: [1], given: [] },
    { client: [-1, -1], model: [-1, -1, 1], sent: [0, 7], given: [0, 7, 1] },
  ])('$client as $model', ({ client, model, sent, given }) => {
    const tensor = floats(sent);
    const there = toModelShapes(new Map([['x', tensor]]), both(client, model)).get('x')!;
    expect(there.shape).toEqual(given);
    expect(there.data).toBe(tensor.data);
    const back = toClientShapes(new Map([['x', there]]), both(client, model)).get('x')!;
    expect(back).toEqual(tensor);
    expect(back.data).toBe(tensor.data);
  });
});

test('other tensors stay as they are, and without reshapes so does the whole', () => {
  const inputs = new Map([['y', floats([2])]]);
  expect(toModelShapes(inputs, both([1], [])).get('y')).toBe(inputs.get('y'));
  expect(toModelShapes(inputs, new Map())).toBe(inputs);
});

test('an output of another shape than its file promises is an error, not a wrong shape', () => {
  const outputs = new Map([['x', floats([2, 6])]]);
  expect(() => toClientShapes(outputs, both([-1, 2, 2], [-1, 4]))).toThrow(
    "'x' has the shape [2,6], its configuration has it as [-1,4]",
  );
});

test('an output whose file does not know its shape keeps the one it has', () => {
  expect(toClientShapes(new Map([['x', floats([2, 6])]]), both([1], [])).get('x')!.shape).toEqual([2, 6]);
});

test.each([
  [[2, 4, -1, 6], [8, -1, 1, 6], true],
  [[-1], [-1, 1], true],
  [[1, 1], [], true],
  [[2, 4, -1, 6], [8, -1, 6, 2], false],
  [[-1, -1], [-1], false],
  [[4], [2, 3], false],
  [[2], [], false],
])('dims %j reshape to %j: %s', (client, model, expected) => {
  expect(canReshape({ client, model })).toBe(expected);
});
