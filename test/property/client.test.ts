// The client's codec and the server's, which share no code, held together.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromWire, toWire } from '../../src/client/elements.ts';
import { OrtletError } from '../../src/client/error.ts';
import * as client from '../../src/client/float16.ts';
import { decodeAnswer, encodeRequest } from '../../src/client/message.ts';
import { binaryCodec } from '../../src/codec/binary-codec.ts';
import type { DecodedRequest } from '../../src/codec/codec.ts';
import { jsonCodec } from '../../src/codec/json-codec.ts';
import { traitsOf } from '../../src/tensor/datatype.ts';
import * as server from '../../src/tensor/float16.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { namedTensors, tensor } from '../fixtures/tensors.ts';

const runs = { numRuns: 500 };

/** What a caller writes for these elements: `[[1, 2], [3, 4]]` for a shape of [2, 2]. */
function nest(shape: readonly number[], elements: readonly unknown[]): unknown {
  const [size, ...row] = shape;
  if (size === undefined) return elements[0];
  const length = size === 0 ? 0 : elements.length / size;
  return Array.from({ length: size }, (_, i) => nest(row, elements.slice(i * length, (i + 1) * length)));
}

const elementsOf = ({ datatype, data }: Tensor) => fromWire(datatype, data as never);
/** All NaNs are one. */
const plain = ({ datatype, data }: { datatype: string; data: Iterable<unknown> }) =>
  Array.from(data, (value) => (datatype === 'FP16' && ((value as number) & 0x7fff) > 0x7c00 ? 'NaN' : value));

describe.each([
  ['JSON', false],
  ['binary', true],
])('%s', (_, binary) => {
  const codec = binary ? binaryCodec : jsonCodec;

  test('the server reads what the client writes, for every datatype, NaN, -0 and the ends of every range', () => {
    fc.assert(
      fc.property(namedTensors, fc.option(fc.string(), { nil: undefined }), (tensors, id) => {
        const inputs = new Map(
          Array.from(tensors, ([name, given]) => [
            name,
            toWire(name, given.datatype, { shape: given.shape, data: elementsOf(given) }),
          ]),
        );
        const { headers, body } = encodeRequest({ id, inputs, outputs: undefined }, binary);
        const length = headers['inference-header-content-length'];
        const decoded = codec.decode(Buffer.from(body as Uint8Array), Number(length));
        expect([decoded.id, decoded.binaryOutput]).toEqual([id || undefined, binary]);
        expect([...decoded.inputs.keys()]).toEqual([...tensors.keys()]);
        for (const [name, { datatype, shape, data }] of tensors) {
          const read = decoded.inputs.get(name)!;
          expect(read).toMatchObject({ datatype, shape });
          expect(plain(read)).toEqual(plain({ datatype, data }));
        }
      }),
      runs,
    );
  });

  test('the client reads what the server writes', () => {
    const asked: DecodedRequest = {
      id: undefined,
      inputs: new Map(),
      outputs: undefined,
      binaryOutput: binary,
      timeoutUs: undefined,
      priority: undefined,
    };
    const timings = { queueMs: 0, computeMs: 0, batchRows: 1, dispatchReason: 'idle' } as const;
    fc.assert(
      fc.property(namedTensors, (tensors) => {
        const { body, headerLength } = codec.encode({ model: 'm', version: '1', outputs: tensors, timings }, asked);
        const headers = new Headers(
          headerLength === undefined ? {} : { 'inference-header-content-length': `${headerLength}` },
        );
        const answer = decodeAnswer({ headers, body: new Uint8Array(Buffer.from(body as Uint8Array)).buffer });
        expect(answer).toMatchObject({ model: 'm', version: '1', id: undefined });
        expect(Object.keys(answer.outputs).toSorted()).toEqual([...tensors.keys()].toSorted());
        for (const [name, given] of tensors) {
          const { datatype, shape } = given;
          expect(answer.outputs[name]).toMatchObject({ datatype, shape });
          expect(answer.outputs[name]!.data).toEqual(elementsOf(given));
        }
      }),
      runs,
    );
  });
});

describe('inputs', () => {
  test('nested arrays come to their shape and to their elements in row-major order', () => {
    fc.assert(
      fc.property(tensor, (given) => {
        const { datatype, shape } = given;
        const written = nest(shape, Array.from<unknown>(elementsOf(given)));
        const wire = toWire('x', datatype, written);
        // Nothing tells how long the arrays would be that an array of none holds.
        const empty = shape.indexOf(0);
        expect(wire.shape).toEqual(empty < 0 ? shape : shape.slice(0, empty + 1));
        expect(plain(wire)).toEqual(plain(given));
      }),
      runs,
    );
  });

  test('the innermost arrays may be typed ones', () => {
    const rows = [Float32Array.of(1, 2), Float32Array.of(3, 4), [5, 6]];
    expect(toWire('x', 'FP32', rows)).toEqual({
      datatype: 'FP32',
      shape: [3, 2],
      data: Float32Array.of(1, 2, 3, 4, 5, 6),
    });
    const ids = BigInt64Array.of(1n, -1n);
    expect(toWire('x', 'INT64', ids)).toEqual({ datatype: 'INT64', shape: [2], data: ids });
  });

  test('an integer is taken exactly when its datatype holds it', () => {
    const integers = fc.constantFrom('UINT8', 'UINT16', 'UINT32', 'UINT64', 'INT8', 'INT16', 'INT32', 'INT64');
    const near = fc.tuple(fc.integer({ min: 0, max: 65 }), fc.integer({ min: -2, max: 2 }), fc.boolean());
    fc.assert(
      fc.property(integers, near, (datatype, [power, offset, negative]) => {
        const value = (negative ? -1n : 1n) * 2n ** BigInt(power) + BigInt(offset);
        const [lowest, highest] = traitsOf(datatype as 'INT8').range!;
        const wide = datatype.endsWith('64');
        const take = () => toWire('x', datatype as 'INT8', [wide ? value : Number(value)]).data[0];
        if (value >= lowest && value <= highest) expect(take()).toBe(wide ? value : Number(value));
        else expect(take).toThrow(OrtletError);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['FP32', [[1, 2], [3]], "input 'x' is ragged: expected an array of 2 at [1] as in front of it, got an array of 1."],
    ['FP32', [[1], 2], "input 'x' is ragged: expected an array of 1 at [1] as in front of it, got one element."],
    ['FP32', [1, [2]], "element 1 of FP32 input 'x' must be a number in the range of FP32, got an object."],
    ['FP32', [[1], [[2]]], "input 'x' is ragged: expected one element at [1,0] as in front of it, got an array of 1."],
    ['FP32', [1, '2'], `element 1 of FP32 input 'x' must be a number in the range of FP32, got "2".`],
    ['FP32', [1e39], "element 0 of FP32 input 'x' must be a number in the range of FP32, got 1e+39."],
    ['FP16', [65520], "element 0 of FP16 input 'x' must be a number in the range of FP16, got 65520."],
    ['INT8', [300], "element 0 of INT8 input 'x' must be a signed integer of 8 bits, got 300."],
    ['UINT8', [1.5], "element 0 of UINT8 input 'x' must be an unsigned integer of 8 bits, got 1.5."],
    [
      'INT64',
      [2 ** 60],
      "element 0 of INT64 input 'x' must be a signed integer of 64 bits (a bigint, or a number that is a safe integer), got 1152921504606847000.",
    ],
    ['BOOL', [1], "element 0 of BOOL input 'x' must be true or false, got 1."],
    ['BYTES', ['\ud800'], `element 0 of BYTES input 'x' must be a string without lone surrogates, got "\\ud800".`],
    ['BYTES', undefined, "element 0 of BYTES input 'x' must be a string without lone surrogates, got undefined."],
    [
      'BF16',
      [1],
      "input 'x' has the datatype 'BF16', which is none of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32, FP64, BYTES.",
    ],
  ])('%s %j is refused', (datatype, input, message) => {
    expect(() => toWire('x', datatype as 'FP32', input)).toThrow(new OrtletError(message));
  });
});

test("halves are the server's, every one of them and every number's", () => {
  for (let half = 0; half < 2 ** 16; half++) {
    expect(client.fromHalf(half)).toBe(server.fromHalf(half));
    expect(client.toHalf(server.fromHalf(half))).toBe(server.toHalf(server.fromHalf(half)));
  }
  fc.assert(
    fc.property(fc.oneof(fc.double(), fc.float(), fc.double({ min: -2e-4, max: 2e-4 })), (value) => {
      expect(client.toHalf(value)).toBe(server.toHalf(value));
    }),
    // A float32 makes this one the middle of two halves.
    { numRuns: 5000, examples: [[0.03660583309829235]] },
  );
});
