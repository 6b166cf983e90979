// The conformance run's own parts: reading recorded tensors, comparing, and the two forms of a request.

import { describe, expect, test } from 'vitest';
import { binaryCodec } from '../../src/codec/binary-codec.ts';
import { jsonCodec } from '../../src/codec/json-codec.ts';
import { readTensorProto } from '../../src/model/onnx-tensor.ts';
import { readMessage } from '../../src/model/protobuf.ts';
import { toHalf } from '../../src/tensor/float16.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { type Elements, elementsOf, findDifference } from '../conformance/elements.ts';
import { binary, json } from '../conformance/forms.ts';
import { parseJson } from '../conformance/json.ts';
import { kindOf } from '../conformance/reasons.ts';
import { shortfalls, summarize } from '../conformance/summary.ts';
import { doubling } from '../fixtures/models.ts';
import { type Initializer, writeOnnx } from '../fixtures/onnx-writer.ts';

/** The bytes of a tensor as an ONNX model holds its weights, which is how data files hold theirs. */
function recorded(initializer: Initializer): Uint8Array {
  const model = readMessage(writeOnnx({ ...doubling(), initializers: [initializer] }));
  return readMessage(model.bytes(7)[0]!).bytes(5)[0]!;
}

describe('a recorded tensor', () => {
  test('is read from raw bytes', () => {
    const file = readTensorProto(
      recorded({ name: 'w', type: 'int64', shape: [2, 1], data: BigInt64Array.of(-1n, 2n ** 60n) }),
    );
    expect(file).toEqual({
      name: 'w',
      tensor: { datatype: 'INT64', shape: [2, 1], data: BigInt64Array.of(-1n, 2n ** 60n) },
    });
  });

  test('may be a scalar, have no elements, or have no name', () => {
    expect(readTensorProto(recorded({ name: '', type: 'float', shape: [], data: Float32Array.of(7) }))).toEqual({
      name: '',
      tensor: { datatype: 'FP32', shape: [], data: Float32Array.of(7) },
    });
    const empty = readTensorProto(recorded({ name: 'e', type: 'double', shape: [0, 3], data: new Uint8Array() }));
    expect(empty.tensor).toEqual({ datatype: 'FP64', shape: [0, 3], data: new Float64Array() });
  });

  test.each<[string, number[], Tensor]>([
    [
      'int64_data',
      [0x08, 2, 0x10, 7, 0x3a, 11, ...new Array(9).fill(0xff), 0x01, 5],
      { datatype: 'INT64', shape: [2], data: BigInt64Array.of(-1n, 5n) },
    ],
    [
      'int32_data of bytes',
      [0x08, 2, 0x10, 2, 0x2a, 3, 0xff, 0x01, 1],
      { datatype: 'UINT8', shape: [2], data: Uint8Array.of(255, 1) },
    ],
    [
      'float_data',
      [0x08, 1, 0x10, 1, 0x22, 4, 0, 0, 0xc0, 0x3f],
      { datatype: 'FP32', shape: [1], data: Float32Array.of(1.5) },
    ],
    ['string_data', [0x08, 1, 0x10, 8, 0x32, 2, 0xc3, 0xa9], { datatype: 'BYTES', shape: [1], data: ['é'] }],
  ])('is read from %s', (_, bytes, tensor) => {
    expect(readTensorProto(Uint8Array.from(bytes)).tensor).toEqual(tensor);
  });

  test('is left out when the protocol has no name for its type, and refused when its elements do not fill its shape', () => {
    expect(readTensorProto(Uint8Array.of(0x10, 16)).tensor).toBeUndefined();
    expect(() =>
      readTensorProto(recorded({ name: 'x', type: 'int64', shape: [2], data: new Uint8Array(8) })),
    ).toThrow();
  });
});

describe('a difference', () => {
  const floats = (...values: number[]): Elements => ({ datatype: 'FP32', shape: [values.length], values });

  test.each([
    [1000, 1000.9, true],
    [1000, 1001.1, false],
    [0, 1e-8, true],
    [0, 1e-6, false],
    [Number.NaN, Number.NaN, true],
    [Number.NaN, 0, false],
    [1, Number.NaN, false],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, true],
    [Number.POSITIVE_INFINITY, 1, false],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, false],
    [1, Number.POSITIVE_INFINITY, false],
  ])('of floats: %d and %d match: %s', (expected, actual, match) => {
    expect(findDifference(floats(expected), floats(actual)) === undefined).toBe(match);
  });

  test('names the element, the shape or the datatype', () => {
    expect(findDifference(floats(1, 2), floats(1, 3))).toBe('element 1 is 3 where 2 is recorded');
    expect(findDifference(floats(1), floats(1, 3))).toBe('shape [2] where [1] is recorded');
    expect(findDifference(floats(1), { ...floats(1), datatype: 'FP64' })).toBe('FP64 where FP32 is recorded');
    expect(findDifference(floats(1), { ...floats(1), values: [] })).toBe('0 elements where 1 are recorded');
  });

  test('of integers, booleans and strings is any', () => {
    const of = (datatype: Elements['datatype'], value: number | bigint | string) => ({
      datatype,
      shape: [],
      values: [value],
    });
    expect(findDifference(of('INT64', 10_000n), of('INT64', 10_001n))).toBeDefined();
    expect(findDifference(of('UINT8', 200), of('UINT8', 201))).toBeDefined();
    expect(findDifference(of('BYTES', 'a'), of('BYTES', 'A'))).toBeDefined();
    expect(findDifference(of('BOOL', 1), of('BOOL', 1))).toBeUndefined();
  });
});

describe('a request', () => {
  const inputs = new Map<string, Tensor>([
    ['float', { datatype: 'FP32', shape: [4], data: Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY, -0, 0.1) }],
    ['half', { datatype: 'FP16', shape: [1, 2], data: Uint16Array.of(toHalf(65504), toHalf(Number.NaN)) }],
    ['long', { datatype: 'INT64', shape: [2], data: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n) }],
    ['flag', { datatype: 'BOOL', shape: [], data: Uint8Array.of(1) }],
    ['text', { datatype: 'BYTES', shape: [3], data: ['NaN', 'a "quoted" -Infinity', ''] }],
    ['none', { datatype: 'FP64', shape: [0, 3], data: new Float64Array() }],
  ]);

  test.each([
    ['JSON', json, jsonCodec],
    ['binary', binary, binaryCodec],
  ])('in %s says what was recorded, and its answer is read back', (_, form, codec) => {
    const { bytes, headerLength } = form.encode(inputs);
    const request = codec.decode(Buffer.from(bytes), headerLength as number);
    expect(request.inputs).toEqual(inputs);
    const timings = { queueMs: 0, computeMs: 0, batchRows: 1, dispatchReason: 'idle' } as const;
    const answer = codec.encode({ model: 'm', version: '1', outputs: inputs, timings }, request);
    const outputs = form.decode({ bytes: Buffer.from(answer.body), headerLength: answer.headerLength });
    for (const [name, tensor] of inputs)
      expect(findDifference(elementsOf(tensor), outputs.get(name)!), name).toBeUndefined();
  });

  test('answered in the other form is a mistake', () => {
    expect(() => json.decode({ bytes: new Uint8Array(), headerLength: 0 })).toThrow('binary');
    expect(() => binary.decode({ bytes: new Uint8Array(), headerLength: undefined })).toThrow('JSON');
  });

  test('keeps integers that a number cannot hold', () => {
    expect(parseJson('[9007199254740993,"9007199254740993",1.5]')).toEqual([
      9007199254740993n,
      '9007199254740993',
      1.5,
    ]);
  });
});

describe('the summary', () => {
  const matches = { kind: 'matches' } as const;
  const failed = { kind: 'failed', reason: 'why' } as const;
  const refused = {
    kind: 'refused',
    reason: "Could not find an implementation for Max(13) node with name ''",
  } as const;
  const results = [
    { name: 'good', bare: matches, json: matches, binary: matches },
    { name: 'worse', bare: matches, json: matches, binary: failed },
    { name: 'neither', bare: failed, json: refused, binary: refused },
  ];

  test('counts as short what runs alone and not in both forms', () => {
    expect(shortfalls(results).map(({ name }) => name)).toEqual(['worse']);
    expect(summarize(results)).toMatchObject({ expected: 2, kept: 1 });
  });

  test('sets apart what fares otherwise with the server, not what fails on both ways', () => {
    const { apart, refusals } = summarize(results);
    expect(apart.map(({ name }) => name)).toEqual(['worse']);
    expect(refusals).toEqual([{ reason: kindOf(refused.reason), models: 1, bareRuns: 0 }]);
  });
});
