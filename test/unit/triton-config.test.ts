import { describe, expect, test } from 'vitest';
import { parseTritonJson, parseTritonText } from '../../src/model/triton/config.ts';
import { BARE, BERT, RESNET, TABULAR } from '../fixtures/triton-configs.ts';

test('a config.pbtxt is read, with what it leaves out as Triton has it', () => {
  expect(parseTritonText(RESNET)).toMatchObject({
    name: 'resnet50',
    platform: 'onnxruntime_onnx',
    max_batch_size: 128,
    version_policy: { all: {} },
    input: [{ name: 'data', data_type: 'TYPE_FP32', format: 'FORMAT_NCHW', dims: [3, 224, 224], optional: false }],
    output: [{ name: 'prob', dims: [1000], label_filename: 'resnet50_labels.txt' }],
    instance_group: [{ count: 2, kind: 'KIND_GPU', gpus: [0, 1], passive: false }],
    dynamic_batching: {
      preferred_batch_size: [32, 64],
      max_queue_delay_microseconds: 100,
      default_queue_policy: { timeout_action: 'REJECT', default_timeout_microseconds: 2500, max_queue_size: 64 },
    },
  });
  expect(parseTritonText(BARE)).toMatchObject({ name: '', max_batch_size: 0, input: [], output: [] });
  expect(parseTritonText('')).toMatchObject({ platform: '' });
});

test('blocks that repeat are one list, and entries of a map are one map', () => {
  const { input, instance_group, parameters } = parseTritonText(BERT);
  expect(input.map(({ name, dims }) => [name, dims])).toEqual([
    ['input_ids', [-1]],
    ['attention_mask', [-1]],
  ]);
  expect(instance_group.map(({ count }) => count)).toEqual([2, 0]);
  expect([...parameters].map(([key, { string_value }]) => [key, string_value])).toEqual([
    ['intra_op_thread_count', '4'],
    ['inter_op_thread_count', '1'],
    ['team', 'search'],
  ]);
});

test('angle brackets, semicolons and single dims are as good', () => {
  expect(parseTritonText(TABULAR).input).toMatchObject([
    { name: 'features', dims: [13], reshape: { shape: [1, 13] } },
    { name: 'threshold', dims: [1] },
  ]);
});

test('enums may be numbers, flags words or digits, as protobuf allows', () => {
  expect(
    parseTritonText('input { data_type: 11 optional: t allow_ragged_batch: 0 } instance_group { kind: 2 }'),
  ).toMatchObject({
    input: [{ data_type: 'TYPE_FP32', optional: true, allow_ragged_batch: false }],
    instance_group: [{ kind: 'KIND_CPU' }],
  });
});

test('JSON gives the same as text, in either case, with numbers as strings and maps as objects', () => {
  const text = parseTritonText(`
    max_batch_size: 16
    input { name: "x" data_type: TYPE_FP32 dims: [ 3, -1 ] reshape { shape: [ ] } }
    dynamic_batching { max_queue_delay_microseconds: 100 }
    parameters { key: "__proto__" value { string_value: "4" } }
    parameters { key: "camelCase" value { } }
    metric_tags { key: "a" value: "b" }`);
  const snake = {
    max_batch_size: '16',
    input: [{ name: 'x', data_type: 'TYPE_FP32', dims: ['3', -1], reshape: { shape: [] } }],
    dynamic_batching: { max_queue_delay_microseconds: '100' },
    parameters: { ['__proto__']: { string_value: '4' }, camelCase: {} },
    metric_tags: { a: 'b' },
    response_cache: null,
  };
  const camel = {
    maxBatchSize: 16,
    input: [{ name: 'x', dataType: 'TYPE_FP32', dims: [3, -1], reshape: { shape: [] }, allowRaggedBatch: false }],
    dynamicBatching: { maxQueueDelayMicroseconds: 100 },
    parameters: { ['__proto__']: { stringValue: '4' }, camelCase: { stringValue: '' } },
    metricTags: { a: 'b' },
    modelWarmup: [],
  };
  expect(parseTritonJson(JSON.stringify(snake))).toEqual(text);
  expect(parseTritonJson(JSON.stringify(camel))).toEqual(text);
});

describe('what is wrong in a config.pbtxt is named with its line', () => {
  const wrong = 'its config.pbtxt is wrong: line ';
  test.each([
    ['name: "a"\nbatch_size: 3', "2: Triton's model configuration has no field 'batch_size'"],
    [
      'input [ {\n  name: "x"\n  datatype: TYPE_FP32\n} ]',
      "3: Triton's model configuration has no field 'input[0].datatype'",
    ],
    ['input { }\ninput {\n  shape: 1 }', "3: Triton's model configuration has no field 'input[1].shape'"],
    [
      'parameters { key: "a"\nvalue { value: "1" } }',
      "2: Triton's model configuration has no field 'parameters[0].value.value'",
    ],
    ['__proto__ { }', "1: Triton's model configuration has no field '__proto__'"],
    ['\nname: resnet', "2: 'name': expected a string, got the word resnet"],
    ['name: "a"\nname: "b"', "2: 'name': expected a string, got several values"],
    ['dynamic_batching { }\ndynamic_batching { }', "2: 'dynamic_batching': expected a message, got several values"],
    ['max_batch_size: -1', "1: 'max_batch_size': expected a whole number from 0 to 2147483647, got -1"],
    ['input { dims: [ 1,\n  2.5 ] }', "2: 'input[0].dims[1]': expected a whole number from -1 to "],
    ['input {\n data_type: FP32 }', "2: 'input[0].data_type': expected one of TYPE_INVALID, TYPE_BOOL, "],
    ['input: "x"', `1: 'input[0]': expected a message, got "x"`],
    ['response_cache { enable: yes }', "1: 'response_cache.enable': expected true or false, got the word yes"],
    ['parameters: 1', "1: 'parameters': expected a map, got 1"],
    ['name: "a', '1, column 7: expected a closing quote before the end of the line'],
    ['input [ { }, ]', `1, column 14: expected '{', got ']'`],
  ])('%j', (text, message) => {
    expect(() => parseTritonText(text)).toThrow(expect.objectContaining({ code: 'MODEL_LOAD_FAILED' }));
    expect(() => parseTritonText(text)).toThrow(wrong + message);
  });
});

test.each([
  ['{', 'it is not valid JSON'],
  ['null', 'the configuration: expected a message, got null'],
  ['[]', 'the configuration: expected a message, got an empty list'],
  ['{"maxBatch":1}', "Triton's model configuration has no field 'maxBatch'"],
  ['{"maxBatchSize":1,"max_batch_size":1}', "Triton's model configuration has no field 'maxBatchSize'"],
  ['{"__proto__":{}}', "Triton's model configuration has no field '__proto__'"],
  ['{"max_batch_size":"many"}', `'max_batch_size': expected a whole number from 0 to 2147483647, got "many"`],
  ['{"input":[{"dims":[null]}]}', "'input[0].dims[0]': expected a whole number from -1 to "],
])('JSON %s is refused: %s', (json, message) => {
  expect(() => parseTritonJson(json)).toThrow(`its configuration is wrong: ${message}`);
});
