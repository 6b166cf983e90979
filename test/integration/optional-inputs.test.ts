import { expect, test } from 'vitest';
import { repositoryOf } from '../fixtures/models.ts';
import type { Graph } from '../fixtures/onnx-writer.ts';
import { serverOf, x } from '../fixtures/server.ts';

/** y = x · scale + 1, where the file has 3 for the input `scale`, and 1 as a constant. */
function scaled(): Graph {
  return {
    nodes: [
      { operator: 'Mul', inputs: ['x', 'scale'], outputs: ['product'] },
      { operator: 'Add', inputs: ['product', 'one'], outputs: ['y'] },
    ],
    inputs: [
      { name: 'x', type: 'float', shape: ['n'] },
      { name: 'scale', type: 'float', shape: [1] },
    ],
    outputs: [{ name: 'y', type: 'float', shape: ['n'] }],
    initializers: [
      { name: 'scale', type: 'float', shape: [1], data: Float32Array.of(3) },
      { name: 'one', type: 'float', shape: [1], data: Float32Array.of(1) },
    ],
  };
}

const two = x('FP32', [2], [1, 2]);
const scale = { name: 'scale', datatype: 'FP32', shape: [1], data: [10] } as const;

test.each([
  ['config.yaml', 'optionalInputs: [scale]'],
  [
    'config.pbtxt',
    `input [ { name: "x" data_type: TYPE_FP32 dims: [ -1 ] },
             { name: "scale" data_type: TYPE_FP32 dims: [ 1 ] optional: true } ]
     output [ { name: "y" data_type: TYPE_FP32 dims: [ -1 ] } ]`,
  ],
])('an input with a value in the file may be sent or left out, as %s says', async (file, content) => {
  using repository = repositoryOf({ 'm/1/model.onnx': scaled(), [`m/${file}`]: content });
  await using server = await serverOf(repository.path);
  expect((await server.infer('m', [two])).body.outputs[0]!.data).toEqual([4, 7]);
  expect((await server.infer('m', [two, scale])).body.outputs[0]!.data).toEqual([11, 21]);
  expect((await server.infer('m', [scale])).body.error).toContain(
    "expected number of inputs between 1 and 2 but got 1 inputs for model 'm'. Got input(s) ['scale'], but missing required input(s) ['x']",
  );
  expect((await server.infer('m', [two, { ...scale, name: 'one' }])).body.error).toContain(
    "unexpected inference input 'one' for model 'm'",
  );
  expect((await server.app.inject('/v2/models/m/config')).json().input[1]).toMatchObject({
    name: 'scale',
    optional: true,
  });
});

test('an input that has no value in the file cannot be optional', async () => {
  using repository = repositoryOf({
    'm/model.onnx': scaled(),
    'm/config.yaml': 'optionalInputs: [x]',
    'n/model.onnx': scaled(),
    'n/config.yaml': 'optionalInputs: [one]',
  });
  await using server = await serverOf(repository.path);
  expect(server.registry.index().map(({ reason }) => reason)).toEqual([
    "its configuration calls input 'x' optional, but it has no value in the file",
    "its configuration calls input 'one' optional, but it is no input of the file",
  ]);
});
