import { describe, expect, test } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import { parseTritonText } from '../../src/model/triton/config.ts';
import { configureSignature } from '../../src/model/triton/signature.ts';
import { toTritonModel } from '../../src/model/triton/translation.ts';
import type { TensorMetadata } from '../../src/tensor/signature.ts';
import { BARE, BERT } from '../fixtures/triton-configs.ts';

const defaults = loadSettings({ flags: {}, environment: {}, file: undefined });
const float = (name: string, ...shape: number[]): TensorMetadata => ({ name, datatype: 'FP32', shape });
const x = (fields: string) => `input { name: "x" data_type: TYPE_FP32 ${fields} }`;
const y = (fields: string) => `output { name: "y" data_type: TYPE_FP32 ${fields} }`;
const configure = (text: string, inputs: TensorMetadata[], outputs: TensorMetadata[]) =>
  configureSignature(toTritonModel(parseTritonText(text), 'm', defaults), { inputs, outputs });
const shapes = (list: readonly TensorMetadata[]) => list.map(({ shape }) => shape);

test('with rows a tensor is [-1, ...dims], and what the configuration fixes is fixed', () => {
  const { client, model, reshapes, hasRows } = configure(
    `max_batch_size: 8 ${x('dims: [ 16, -1 ]')} ${y('dims: [ 2 ]')}`,
    [{ ...float('x', -1, -1, -1), symbols: ['batch', 'time', 'width'] }],
    [float('y', -1, 2)],
  );
  expect(client.inputs).toEqual([{ ...float('x', -1, 16, -1), symbols: ['batch', 'time', 'width'] }]);
  expect(model).toEqual(client);
  expect([reshapes.inputs.size, reshapes.outputs.size, hasRows]).toEqual([0, 0, true]);
});

test('inputs and outputs are in the order of the configuration, the model in that of its file', () => {
  const ids = (name: string): TensorMetadata => ({ name, datatype: 'INT64', shape: [-1, -1] });
  const { client, model } = configure(BERT, [ids('attention_mask'), ids('input_ids')], [float('logits', -1, 2)]);
  expect(client.inputs.map(({ name }) => name)).toEqual(['input_ids', 'attention_mask']);
  expect(model.inputs.map(({ name }) => name)).toEqual(['attention_mask', 'input_ids']);
});

test('without rows dims are the whole shape', () => {
  const { client, hasRows } = configure(
    `${x('dims: [ -1, 3 ]')} ${y('dims: [ -1 ]')}`,
    [float('x', -1, 3)],
    [float('y', -1)],
  );
  expect([...shapes(client.inputs), ...shapes(client.outputs), hasRows]).toEqual([[-1, 3], [-1], false]);
});

test('a reshape gives clients other shapes than the model, with the rows before both', () => {
  const { client, model, reshapes } = configure(
    `max_batch_size: 4 ${x('dims: [ 1 ] reshape { shape: [ ] }')} ${y('dims: [ 2, 2 ] reshape { shape: [ 4 ] }')}`,
    [float('x', -1)],
    [float('y', -1, 4)],
  );
  expect([shapes(client.inputs), shapes(client.outputs)]).toEqual([[[-1, 1]], [[-1, 2, 2]]]);
  expect([shapes(model.inputs), shapes(model.outputs)]).toEqual([[[-1]], [[-1, 4]]]);
  expect(reshapes.inputs.get('x')).toEqual({ client: [-1, 1], model: [-1] });
  expect(reshapes.outputs.get('y')).toEqual({ client: [-1, 2, 2], model: [-1, 4] });
});

test('a scalar is [1] for clients', () => {
  const { client, reshapes } = configure(`${x('dims: 1')} ${y('dims: 1')}`, [float('x')], [float('y')]);
  expect([...shapes(client.inputs), ...shapes(client.outputs)]).toEqual([[1], [1]]);
  expect(reshapes.inputs.get('x')).toEqual({ client: [1], model: [] });
  const withRows = configure(`max_batch_size: 4 ${x('dims: 2')} ${y('dims: 1')}`, [float('x', -1, 2)], [float('y')]);
  expect([shapes(withRows.client.outputs), withRows.reshapes.outputs.size]).toEqual([[[-1, 1]], 0]);
});

test('what the configuration leaves out is as in the file, rows too', () => {
  const file = [[float('x', -1, 3)], [float('y', -1, 2)]] as const;
  const bare = configure(BARE, [...file[0]], [...file[1]]);
  expect(bare).toMatchObject({ client: { inputs: file[0], outputs: file[1] }, hasRows: true });
  expect(configure(BARE, [float('x', 1, 3)], [float('y', -1, 2)]).hasRows).toBe(false);
  expect(shapes(configure(x('dims: 3'), [...file[0]], [...file[1]]).client.inputs)).toEqual([[-1, 3]]);
});

test('outputs that are not named are not offered', () => {
  const { client, hiddenOutputs } = configure(
    `max_batch_size: 1 ${x('dims: 1')} ${y('dims: 2')}`,
    [float('x', -1, 1)],
    [float('z', -1, 9), float('y', -1, 2)],
  );
  expect(client.outputs.map(({ name }) => name)).toEqual(['y']);
  expect(hiddenOutputs).toEqual([{ name: 'z', reason: 'is not among the outputs of its configuration' }]);
});

test('an output may be free where the file fixes it: it promises less', () => {
  const { client, model, reshapes } = configure(
    `max_batch_size: 1 ${x('dims: 1')} ${y('dims: [ -1 ]')}`,
    [float('x', -1, 1)],
    [float('y', -1, 2)],
  );
  expect([shapes(client.outputs), shapes(model.outputs), reshapes.outputs.size]).toEqual([[[-1, -1]], [[-1, 2]], 0]);
});

describe('a configuration that does not fit its file is refused, with both', () => {
  const rows = '(the first dimension counts rows, as max_batch_size is over 0)';
  const file = [[float('x', -1, 3)], [float('y', -1, 2)]] as const;
  test.each([
    [`${x('dims: [ -1, 3 ]')} ${y('dims: [ -1, 4 ]')}`, "expected output 'y' to have the shape [-1,4], found [-1,2]"],
    [`${x('dims: [ -1, -1 ]')} ${y('dims: [ -1, 2 ]')}`, "expected input 'x' to have the shape [-1,-1], found [-1,3]"],
    [`${x('dims: [ -1, 3 ]')} ${y('dims: [ 5, 2 ]')}`, "expected output 'y' to have the shape [5,2], found [-1,2]"],
    [
      `max_batch_size: 2 ${x('dims: [ 3, 1 ]')} ${y('dims: 2')}`,
      `expected input 'x' to have the shape [-1,3,1] ${rows}, found [-1,3]`,
    ],
    [
      `max_batch_size: 2 input { name: "x" data_type: TYPE_FP64 dims: 3 } ${y('dims: 2')}`,
      "expected input 'x' to be FP64, found FP32",
    ],
    ['max_batch_size: 2 input { name: "a" data_type: TYPE_FP32 dims: 3 }', "expected the inputs 'a', found 'x' too"],
    [
      `max_batch_size: 2 ${x('dims: 3')} output { name: "z" data_type: TYPE_FP32 dims: 2 }`,
      "expected an output 'z', found 'y'",
    ],
  ])('%s', (text, message) => {
    const attempt = () => configure(text, [...file[0]], [...file[1]]);
    expect(attempt).toThrow(expect.objectContaining({ code: 'MODEL_LOAD_FAILED' }));
    expect(attempt).toThrow(`its file is not as its configuration for Triton says: ${message}`);
  });

  test('also where it says nothing but that there are rows', () => {
    expect(() => configure('max_batch_size: 4', [float('x', 1, 3)], [float('y', -1, 2)])).toThrow(
      `expected input 'x' to have the shape [-1,…] ${rows}, found [1,3]`,
    );
    expect(() => configure(`max_batch_size: 4 ${x('dims: 1')}`, [float('x')], [float('y', -1)])).toThrow(
      `expected input 'x' to have the shape [-1,1] ${rows}, found []`,
    );
    expect(() =>
      configure(`max_batch_size: 4 ${x('dims: 3')} ${y('dims: 2')}`, [float('x', 1, 3)], [float('y', -1, 2)]),
    ).toThrow(`expected input 'x' to have the shape [-1,3] ${rows}, found [1,3]`);
  });
});
