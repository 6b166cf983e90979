// A model repository as people have it for Triton, served as it is.

import { expect, test } from 'vitest';
import { identity, repositoryOf } from '../fixtures/models.ts';
import type { Graph } from '../fixtures/onnx-writer.ts';
import { serverOf, x } from '../fixtures/server.ts';

/** y = x + the version, so that answers tell which version gave them. */
function plus(version: number, type: 'float' | 'int32' = 'float', columns = 4): Graph {
  const data = type === 'float' ? Float32Array.of(version) : Int32Array.of(version);
  return {
    nodes: [{ operator: 'Add', inputs: ['x', 'n'], outputs: ['y'] }],
    inputs: [{ name: 'x', type, shape: ['batch', columns] }],
    outputs: [{ name: 'y', type, shape: ['batch', columns] }],
    initializers: [{ name: 'n', type, shape: [], data }],
  };
}

const tensors = (type: string, dims: string, more = '') => `
input [ { name: "x" data_type: ${type} dims: ${dims} } ]
output [ { name: "y" data_type: ${type} dims: ${dims} ${more} } ]
`;

const FILES = {
  'latest/1/model.onnx': plus(1),
  'latest/2/model.onnx': plus(2),
  'latest/3/model.onnx': plus(3),
  'latest/config.pbtxt': `platform: "onnxruntime_onnx" max_batch_size: 8
    ${tensors('TYPE_FP32', '[ 4 ]', 'label_filename: "names.txt"')}
    version_policy: { latest: { num_versions: 2 } }
    dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 }`,
  'latest/names.txt': 'zero\none\ntwo\nthree\n',
  'specific/1/model.onnx': plus(1, 'int32'),
  'specific/2/model.onnx': plus(2, 'int32'),
  'specific/3/model.onnx': plus(3, 'int32'),
  'specific/config.pbtxt': `name: "specific" backend: "onnxruntime" max_batch_size: 4
    ${tensors('TYPE_INT32', '[ 4 ]')}
    version_policy: { specific: { versions: [ 1, 3 ] } }
    instance_group [ { count: 2 kind: KIND_CPU } ]`,
  'reshaped/1/net.onnx': plus(1, 'float', 4),
  'reshaped/config.pbtxt': `max_batch_size: 2 default_model_filename: "net.onnx"
    input [ { name: "x" data_type: TYPE_FP32 dims: [ 2, 2 ] reshape { shape: [ 4 ] } } ]
    output [ { name: "y" data_type: TYPE_FP32 dims: [ 1, 4 ] reshape { shape: [ 4 ] } } ]`,
  'text/1/model.onnx': identity('string'),
  'text/config.pbtxt': `max_batch_size: 0 ${tensors('TYPE_STRING', '[ -1, 2 ]')}`,
  'wrong/1/model.onnx': plus(1),
  'wrong/config.pbtxt': `max_batch_size: 4 ${tensors('TYPE_INT64', '[ 4 ]')}`,
};

test('a repository with config.pbtxt files serves unchanged', async () => {
  using repository = repositoryOf(FILES);
  await using server = await serverOf(repository.path);
  const { body: index } = await server.app.inject({ method: 'POST', url: '/v2/repository/index' });
  expect(
    (JSON.parse(index) as { name: string; version: string; state: string }[]).map(
      ({ name, version, state }) => `${name} ${version} ${state}`,
    ),
  ).toEqual([
    'latest 2 READY',
    'latest 3 READY',
    'reshaped 1 READY',
    'specific 1 READY',
    'specific 3 READY',
    'text 1 READY',
    'wrong 1 UNAVAILABLE',
  ]);

  const row = [x('FP32', [1, 4], [0, 0, 0, 0])];
  expect((await server.infer('latest', row)).body.outputs[0]!.data).toEqual([3, 3, 3, 3]);
  expect((await server.infer('latest', row, { version: '2' })).body.outputs[0]!.data).toEqual([2, 2, 2, 2]);
  expect((await server.infer('latest', row, { version: '1' })).status).toBe(404);
  const classes = [{ name: 'y', parameters: { classification: 2 } }];
  const { outputs } = (await server.infer('latest', [x('FP32', [1, 4], [0, 5, 1, 9])], { outputs: classes })).body;
  expect(outputs[0]).toMatchObject({ shape: [1, 2], data: ['12.000000:3:three', '8.000000:1:one'] });

  const integers = [x('INT32', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])];
  expect((await server.infer('specific', integers)).body.outputs[0]!.data).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
  expect((await server.infer('specific', integers, { version: '1' })).body.outputs[0]!.data[0]).toBe(2);

  const strings = [x('BYTES', [3, 2], ['a', 'b', 'c', 'd', 'e', 'f'])];
  expect((await server.infer('text', strings)).body.outputs[0]).toMatchObject({
    shape: [3, 2],
    data: strings[0]!.data,
  });
  expect((await server.infer('wrong', row)).body.error).toContain("expected input 'x' to be INT64, found FP32");
});

test('a reshape stands between what clients send and what the model takes, row by row', async () => {
  using repository = repositoryOf(FILES);
  await using server = await serverOf(repository.path);
  const square = [x('FP32', [2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8])];
  const { status, body } = await server.infer('reshaped', square);
  expect([status, body.outputs[0]]).toEqual([
    200,
    { name: 'y', datatype: 'FP32', shape: [2, 1, 4], data: [2, 3, 4, 5, 6, 7, 8, 9] },
  ]);
  expect((await server.infer('reshaped', [x('FP32', [1, 4], [1, 2, 3, 4])])).body.error).toContain(
    "unexpected shape for input 'x' for model 'reshaped'. Expected [-1,2,2], got [1,4]",
  );
  // Rows of several requests still share a run.
  const answers = await Promise.all(
    Array.from({ length: 4 }, (_, i) => server.infer('reshaped', [x('FP32', [1, 2, 2], [i, i, i, i])])),
  );
  expect(answers.map(({ body }) => body.outputs[0]!.data[0])).toEqual([1, 2, 3, 4]);
});

test('the configuration is shown as Triton would, with what has no effect here and why', async () => {
  using repository = repositoryOf(FILES);
  await using server = await serverOf(repository.path);
  const get = async (url: string) => (await server.app.inject(url)).json();
  expect(await get('/v2/models/latest/config')).toMatchObject({
    max_batch_size: 8,
    input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [4] }],
    output: [{ name: 'y', data_type: 'TYPE_FP32', dims: [4], label_filename: 'names.txt' }],
    version_policy: { latest: { num_versions: 2 } },
    dynamic_batching: {},
    parameters: {
      configuration_passed_over: {
        string_value: expect.stringContaining('max_queue_delay_microseconds: a free engine'),
      },
    },
  });
  expect(await get('/v2/models/reshaped/config')).toMatchObject({
    input: [{ name: 'x', dims: [2, 2], reshape: { shape: [4] } }],
    default_model_filename: 'net.onnx',
  });
  expect(await get('/v2/models/specific/config')).toMatchObject({
    instance_group: [{ count: 2 }],
    version_policy: { specific: { versions: [1, 3] } },
  });
  expect(await get('/v2/models/reshaped')).toMatchObject({
    inputs: [{ shape: [-1, 2, 2] }],
    outputs: [{ shape: [-1, 1, 4] }],
  });
});

test('config.yaml beside config.pbtxt has the last word, and its labels stand for versions in paths', async () => {
  using repository = repositoryOf({
    ...FILES,
    'latest/config.yaml': 'maxBatchSize: 3\nversionLabels: {stable: 2, canary: 3}',
    'specific/config.yaml': 'versionLabels: {stable: 2}',
  });
  await using server = await serverOf(repository.path);
  const row = [x('FP32', [1, 4], [0, 0, 0, 0])];
  const served = async (version: string) => (await server.infer('latest', row, { version })).body;
  expect([(await served('stable')).model_version, (await served('canary')).model_version]).toEqual(['2', '3']);
  expect((await served('beta')).error).toContain('version beta is not found; its labels are stable, canary');
  expect((await server.app.inject('/v2/models/latest/versions/stable')).json().versions).toEqual(['2']);
  const facts = (await server.app.inject('/v2/models/latest')).json().parameters;
  expect(facts.batching).toBe('up to 3 rows');
  const { reason } = server.registry.index().find(({ name }) => name === 'specific')!;
  expect(reason).toContain("versionLabels name version 2 'stable', but the version policy picks 1, 3");
});
