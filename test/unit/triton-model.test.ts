import { describe, expect, test } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import { parseTritonText } from '../../src/model/triton/config.ts';
import { toTritonModel } from '../../src/model/triton/translation.ts';
import { BARE, BERT, RESNET, TABULAR } from '../fixtures/triton-configs.ts';

const defaults = loadSettings({ flags: {}, environment: {}, file: undefined });
const translate = (text: string, name = 'm', settings = defaults) =>
  toTritonModel(parseTritonText(text), name, settings);
const IO = 'input { name: "x" data_type: TYPE_FP32 dims: 4 } output { name: "y" data_type: TYPE_FP32 dims: 4 }';

test('an image classifier keeps its rows, labels, queue and device', () => {
  const model = translate(RESNET, 'resnet50');
  expect(model).toMatchObject({
    versions: 'all',
    maxBatchSize: 128,
    inputs: [{ name: 'data', datatype: 'FP32', dims: [3, 224, 224], modelDims: [3, 224, 224], optional: false }],
    outputs: [{ name: 'prob', datatype: 'FP32', dims: [1000] }],
    modelFile: 'model.onnx',
    labelFiles: new Map([['prob', 'resnet50_labels.txt']]),
    queueTimeoutMs: 3,
  });
  expect(model.settings).toEqual({
    maxBatchSize: 128,
    instances: 2,
    maxQueueRequests: 64,
    executionProviders: [
      { name: 'cuda', required: false },
      { name: 'cpu', required: false },
    ],
  });
});

test('what only tunes Triton is passed over, with a reason each', () => {
  expect(translate(RESNET, 'resnet50').passedOver).toEqual([
    'dynamic_batching.preferred_batch_size: a free engine takes at once what waits, up to max_batch_size',
    'dynamic_batching.max_queue_delay_microseconds: a free engine takes at once what waits, up to max_batch_size',
    'instance_group.gpus: engines use the first GPU they are shown',
    'optimization.execution_accelerators: `executionProviders` is what decides',
  ]);
  expect(translate(BERT).passedOver).toEqual([
    'model_warmup: every engine runs made-up inputs before it serves',
    'response_cache: answers are not cached',
    'parameters.inter_op_thread_count: operators run one after the other',
    'parameters.team: no part of the server reads it',
  ]);
  expect(translate(BARE).passedOver).toEqual([]);
});

test('instances are added up, threads come from the parameters, versions from the policy', () => {
  const { settings, versions } = translate(BERT);
  expect(settings).toEqual({
    maxBatchSize: 16,
    instances: 3,
    threads: 4,
    executionProviders: [{ name: 'cpu', required: false }],
  });
  expect(versions).toEqual({ specific: [1, 3] });
  expect(translate('version_policy { latest { num_versions: 2 } }').versions).toEqual({ latest: 2 });
  expect(translate('version_policy { latest { } }').versions).toEqual({ latest: 1 });
  expect(translate(BARE).versions).toEqual({ latest: 1 });
});

test('max_batch_size 0 with inputs and outputs means no rows; with either missing it means nothing', () => {
  expect(translate(TABULAR, 'scorer')).toMatchObject({ maxBatchSize: 0, settings: { batching: 'off' } });
  expect(translate(IO)).toMatchObject({ maxBatchSize: 0, settings: { batching: 'off' } });
  expect(translate(BARE)).toMatchObject({ maxBatchSize: undefined, settings: {} });
  expect(translate('input { name: "x" data_type: TYPE_FP32 dims: 4 }').maxBatchSize).toBeUndefined();
});

test('a reshape is what the model gets, an empty one a scalar; strings are BYTES', () => {
  const [features] = translate(TABULAR, 'scorer').inputs;
  expect(features).toMatchObject({ dims: [13], modelDims: [1, 13] });
  const text = 'max_batch_size: 2 input { name: "s" data_type: TYPE_STRING dims: 1 reshape { shape: [ ] } }';
  expect(translate(text).inputs).toMatchObject([{ datatype: 'BYTES', dims: [1], modelDims: [] }]);
});

test('the configuration may rename the file', () => {
  expect(translate(TABULAR, 'scorer').modelFile).toBe('scorer.onnx');
});

test('a request that may be late is not given a limit', () => {
  const { queueTimeoutMs, passedOver } = translate(
    'dynamic_batching { default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 5000 } }',
  );
  expect(queueTimeoutMs).toBeUndefined();
  expect(passedOver).toEqual([
    'dynamic_batching.default_queue_policy.timeout_action: a request is refused when its time is over',
  ]);
});

test('a server that is set up for a device of its own keeps it', () => {
  const executionProviders = [{ name: 'tensorrt', required: true }];
  const gpu = 'instance_group { kind: KIND_GPU }';
  expect(translate(gpu, 'm', { ...defaults, executionProviders }).settings).toEqual({ instances: 1 });
  expect(translate('instance_group { kind: KIND_AUTO }').settings).toEqual({ instances: 1 });
  expect(translate(`${gpu} instance_group { kind: KIND_CPU }`).passedOver).toEqual([
    'instance_group.kind: all engines of a model run on the same device',
  ]);
});

describe('what would give other answers than in Triton is refused', () => {
  test.each([
    ['name: "other"', "it is named 'other', and the model 'm'"],
    ['platform: "tensorrt_plan"', "platform 'tensorrt_plan', and only ONNX models are served ('onnxruntime_onnx')"],
    ['backend: "python"', "backend 'python', and only ONNX models are served ('onnxruntime')"],
    ['platform: "ensemble" ensemble_scheduling { step [ { model_name: "a" } ] }', 'ensembles of models'],
    ['sequence_batching { direct { max_queue_delay_microseconds: 1 } }', 'models that keep state'],
    ['model_transaction_policy { decoupled: True }', 'each request has one response'],
    ['batch_input { kind: BATCH_ELEMENT_COUNT }', 'batch_input'],
    ['model_operations { op_library_filename: "a.so" }', 'custom operators'],
    ['model_repository_agents { agents [ { name: "checksum" } ] }', 'model_repository_agents'],
    ['version_policy { all { } latest { } }', 'more than one policy'],
    ['version_policy { specific { } }', 'names no versions'],
    ['input { data_type: TYPE_FP32 dims: 1 }', 'an input has no name'],
    ['output { name: "y" dims: 1 }', "output 'y' has no data_type"],
    ['output { name: "y" data_type: TYPE_BF16 dims: 1 }', "output 'y' is TYPE_BF16"],
    ['input { name: "x" data_type: TYPE_FP32 dims: [ 2, 0 ] }', "input 'x' has a dimension 0"],
    ['input { name: "x" data_type: TYPE_FP32 dims: 1 is_shape_tensor: true }', 'only TensorRT has'],
    ['input { name: "x" data_type: TYPE_FP32 dims: 1 allow_ragged_batch: true }', "input 'x' is ragged"],
    [`${IO} ${IO}`, "input 'x' is there twice"],
    [
      'input { name: "x" data_type: TYPE_FP32 dims: 4 reshape { shape: [ 2, 3 ] } }',
      "input 'x' has dims [4] and reshape [2,3], which differ in size",
    ],
    [
      'default_model_filename: "../other/1/model.onnx"',
      "default_model_filename: '../other/1/model.onnx' does not name",
    ],
    ['output { name: "y" data_type: TYPE_FP32 dims: 1 label_filename: "/etc/passwd" }', 'label_filename'],
    [
      'parameters { key: "intra_op_thread_count" value { string_value: "all" } }',
      "intra_op_thread_count: expected a whole number from 0 to 1024, got 'all'",
    ],
  ])('%s', (text, message) => {
    expect(() => translate(text)).toThrow(expect.objectContaining({ code: 'MODEL_LOAD_FAILED' }));
    expect(() => translate(text)).toThrow('its configuration for Triton cannot be served: ');
    expect(() => translate(text)).toThrow(message);
  });
});
