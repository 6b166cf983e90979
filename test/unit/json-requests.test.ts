import { describe, expect, test } from 'vitest';
import { jsonCodec } from '../../src/codec/json-codec.ts';
import { ServingError } from '../../src/errors.ts';

const decode = (request: unknown) =>
  jsonCodec.decode(Buffer.from(typeof request === 'string' ? request : JSON.stringify(request)));
const input = (datatype: string, data: string, shape = '[2]') =>
  `{"inputs":[{"name":"x","datatype":"${datatype}","shape":${shape},"data":${data}}]}`;
const dataOf = (request: string) => [...(decode(request).inputs.get('x')!.data as Iterable<unknown>)];

function refusal(request: unknown): string {
  try {
    decode(request);
  } catch (error) {
    expect(error).toBeInstanceOf(ServingError);
    return (error as Error).message;
  }
  throw new Error('was accepted');
}

describe('elements', () => {
  test('64-bit integers are exact over their whole range', () => {
    expect(dataOf(input('INT64', '[-9223372036854775808,9223372036854775807]'))).toEqual([
      -(2n ** 63n),
      2n ** 63n - 1n,
    ]);
    expect(dataOf(input('UINT64', '[18446744073709551615,9007199254740993]'))).toEqual([
      2n ** 64n - 1n,
      2n ** 53n + 1n,
    ]);
  });

  test('NaN and the infinities are accepted as bare tokens', () => {
    expect(dataOf(input('FP32', '[NaN,-Infinity]'))).toEqual([Number.NaN, -Infinity]);
    expect(dataOf(input('FP64', '[Infinity,1]'))).toEqual([Infinity, 1]);
  });

  test('tokens inside strings stay strings', () => {
    expect(dataOf(input('BYTES', '["NaN","-Infinity 12345678901234567890 INT64 \\" NaN"]'))).toEqual([
      'NaN',
      '-Infinity 12345678901234567890 INT64 " NaN',
    ]);
  });

  test('nested and flat data are the same', () => {
    expect(dataOf(input('INT32', '[[1,2],[3,4]]', '[2,2]'))).toEqual(dataOf(input('INT32', '[1,2,3,4]', '[2,2]')));
  });

  test.each([
    ['INT8', '[1,128]', 'element 1 of INT8 must be an integer from -128 to 127, got 128'],
    ['UINT8', '[-1,0]', 'element 0 of UINT8 must be an integer from 0 to 255, got -1'],
    ['INT32', '[1,1.5]', 'element 1 of INT32 must be an integer'],
    [
      'INT64',
      '[1,9223372036854775808]',
      'element 1 of INT64 must be an integer from -9223372036854775808 to 9223372036854775807, got 9223372036854775808',
    ],
    ['FP32', '[1,"2"]', 'element 1 of FP32 must be a number, got "2"'],
    ['FP32', '[1,1e39]', 'element 1 of FP32 must be a number in the range of FP32, got 1e+39'],
    ['FP64', '[1,null]', 'element 1 of FP64 must be a number, got null'],
    ['FP16', '[1,70000]', 'element 1 of FP16 must be a number in the range of FP16, got 70000'],
    ['BOOL', '[true,1]', 'element 1 of BOOL must be true or false, got 1'],
    ['BYTES', '["a",1]', 'element 1 of BYTES must be a string, got 1'],
    ['BYTES', '["a","b\\u0000c"]', 'element 1 of BYTES must be a string without NUL'],
    ['BYTES', '["a","\\ud800"]', 'without NUL and lone surrogates'],
    ['FP32', '[1]', "input 'x' has 1 elements, its shape has 2"],
    ['FP32', '[1,2,3]', "Shape does not match true shape of 'data' field: input 'x' has 3 elements"],
    ['FP32', '[1]', "input 'x' has 1 elements, its shape has 0", '[0]'],
    ['FP32', '5', "'data' must be an array, got 5", '[0]'],
    ['FP32', '5', "'data' must be an array, got 5"],
    ['FP32', `${'['.repeat(200)}1${']'.repeat(200)}`, 'JSON nesting depth exceeds maximum allowed limit (100)'],
  ])('%s %s is refused: %s', (datatype, data, message, shape = '[2]') => {
    expect(refusal(input(datatype, data, shape))).toContain(message);
  });

  test('a tensor without elements may come in binary form without a header, with null as data: KServe sends it so', () => {
    const empty = { name: 'x', datatype: 'FP32', shape: [0, 2], parameters: { binary_data_size: 0 } };
    for (const request of [{ inputs: [empty] }, { inputs: [{ ...empty, data: null }] }]) {
      expect(dataOf(JSON.stringify(request))).toEqual([]);
    }
    expect(refusal({ inputs: [{ ...empty, shape: [1, 2] }] })).toContain('Inference-Header-Content-Length');
    expect(refusal({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: null }] })).toContain('neither');
  });

  test('a tensor without elements has empty data, flat or nested', () => {
    for (const data of ['[]', '[[],[]]']) expect(dataOf(input('FP32', data, '[2,0]'))).toEqual([]);
  });
});

describe('requests', () => {
  test.each([
    ['', 'the body is empty'],
    ['{"inputs":[}', 'failed to parse the request JSON buffer'],
    ['[]', "Unable to parse 'request'"],
    ['{}', "Unable to parse 'inputs'"],
    [input('FP31', '[]'), "Unable to parse 'inputs[0].datatype'"],
    [input('FP32', '[]', '[-1]'), "Unable to parse 'inputs[0].shape[0]'"],
    [input('FP32', '[]', '[1.5]'), "Unable to parse 'inputs[0].shape[0]'"],
    [input('FP32', '[]', '[4611686018427387904,4]'), 'shape'],
    [input('FP32', '[1]', '[65536,65536]'), 'causes total element count to exceed maximum size'],
    ['{"inputs":[{"name":"x","datatype":"FP32","shape":[1]}]}', "input 'x' has neither 'data' nor 'binary_data_size'"],
    ['{"inputs":[{"name":"x","datatype":"FP32","shape":[0]}]}', "input 'x' has neither 'data' nor 'binary_data_size'"],
    [
      {
        inputs: ['x', 'y'].map((name) => ({
          name,
          datatype: 'BYTES',
          shape: [131_073],
          data: Array(131_073).fill(''),
        })),
      },
      'the request has 262146 BYTES elements: at most 262144 are taken at a time',
    ],
    [{ inputs: [], parameters: { triton_x: 1 } }, "reserved for internal usage: 'triton_x'"],
    [{ inputs: [], parameters: { a: {} } }, "Unable to parse 'parameters.a'"],
    [{ inputs: [], parameters: { timeout: 'soon' } }, "parameter 'timeout' must be a number of microseconds"],
    [{ inputs: [], outputs: [{ name: 'y' }, { name: 'y' }] }, "output 'y' already exists in request"],
    [
      { inputs: Array(2).fill({ name: 'x', datatype: 'FP32', shape: [0], data: [] }) },
      "input 'x' already exists in request",
    ],
    [
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } }] },
      'Inference-Header-Content-Length',
    ],
    [
      { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], parameters: { shared_memory_region: 'r' } }] },
      'shared memory',
    ],
  ])('%# is refused: %s', (request, message) => {
    expect(refusal(request)).toContain(message);
  });

  test('unknown top-level keys are ignored, an empty id counts as none', () => {
    expect(decode({ id: '', inputs: [], model_name: 'm' })).toMatchObject({ id: undefined, outputs: undefined });
  });

  test('an empty list of outputs means all of them', () => {
    expect(decode({ inputs: [], outputs: [] }).outputs).toBeUndefined();
  });

  test('nothing reaches a prototype', () => {
    const evil =
      '{"__proto__":{"polluted":1},"parameters":{"__proto__":1},"inputs":[{"__proto__":{"polluted":1},"name":"__proto__","datatype":"FP32","shape":[0],"data":[]}]}';
    decode(evil);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});
