import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DecodingTarget } from '../../src/codec/codec.ts';
import { predictCodec } from '../../src/codec/predict-codec.ts';
import { ServingError } from '../../src/errors.ts';
import type { NamedTensors, Tensor } from '../../src/tensor/tensor.ts';
import { tensorWith } from '../fixtures/tensors.ts';

const runs = { numRuns: 1000 };
const timings = { queueMs: 0, computeMs: 0, batchRows: 1, dispatchReason: 'idle' } as const;
type Form = 'rows' | 'columns';

const name = fc.oneof(
  fc.string({ minLength: 1, unit: 'binary' }).filter((text) => text.isWellFormed() && text !== 'b64'),
  fc.constantFrom('x', 'image_bytes'),
);
const named = (tensors: fc.Arbitrary<Tensor>): fc.Arbitrary<NamedTensors> =>
  fc
    .uniqueArray(fc.tuple(name, tensors), { minLength: 1, maxLength: 4, selector: ([key]) => key })
    .map((entries) => new Map(entries));
const dimension = fc.integer({ min: 1, max: 4 });
/** What is inside of nothing cannot be seen: only the last dimension may be 0. */
const shape = (maxLength: number) =>
  fc.tuple(fc.array(dimension, { maxLength }), fc.boolean()).map(([sizes, empty]) => (empty ? [...sizes, 0] : sizes));
const rowTensors = dimension.chain((rows) => named(tensorWith(shape(2).map((sizes) => [rows, ...sizes]))));
const forms: [Form, fc.Arbitrary<NamedTensors>][] = [
  ['rows', rowTensors],
  ['columns', named(tensorWith(shape(3)))],
];

function print(outputs: NamedTensors, form: Form): Buffer {
  const request = {
    id: undefined,
    inputs: new Map(),
    outputs: undefined,
    binaryOutput: false,
    timeoutUs: undefined,
    priority: undefined,
    form,
  };
  const { body } = predictCodec.encode({ model: 'm', version: '1', outputs, timings }, request);
  return Buffer.from(
    String(body).replace(
      form === 'rows' ? '{"predictions":' : '{"outputs":',
      form === 'rows' ? '{"instances":' : '{"inputs":',
    ),
  );
}

function modelOf(tensors: NamedTensors): DecodingTarget {
  const inputs = Array.from(tensors, ([key, { datatype, shape }]) => ({ name: key, datatype, shape }));
  return { name: 'm', signature: { inputs, outputs: [], batchable: true, hasRows: true } };
}

describe.each(forms)('%s', (form, tensors) => {
  test('an answer sent back as a request is the same tensors, of every datatype', () => {
    fc.assert(
      fc.property(tensors, (given) => {
        const { inputs, form: found } = predictCodec.decode(print(given, form), undefined, modelOf(given));
        expect(found).toBe(form);
        expect([...inputs.keys()]).toEqual([...given.keys()]);
        for (const [key, { datatype, shape, data }] of given) {
          const tensor = inputs.get(key)!;
          expect(tensor).toMatchObject({ datatype, shape });
          const values = (of: Tensor['data']) =>
            Array.from(of as readonly unknown[], (value) => (datatype === 'FP16' ? oneNaN(value as number) : value));
          expect(values(tensor.data)).toEqual(values(data));
        }
      }),
      runs,
    );
  });

  test('a damaged body is either still valid or refused with a message, never anything else', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(tensors, damage, (given, changes) => {
        const body = print(given, form);
        for (const [at, byte] of changes) body[at % body.length] = byte;
        try {
          predictCodec.decode(body, undefined, modelOf(given));
        } catch (error) {
          expect(error).toBeInstanceOf(ServingError);
          expect((error as ServingError).code).toMatch(/^INVALID_/);
        }
      }),
      runs,
    );
  });
});

/** All NaNs are one in JSON. */
function oneNaN(half: number): number {
  return (half & 0x7fff) > 0x7c00 ? Number.NaN : half;
}

test('floats always have a point or an exponent', () => {
  const floats = fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.integer().map(Math.fround));
  fc.assert(
    fc.property(fc.array(floats, { minLength: 1 }), (values) => {
      const outputs = new Map([
        ['y', { datatype: 'FP32' as const, shape: [values.length], data: Float32Array.from(values) }],
      ]);
      const texts = /\[(.*)\]/.exec(print(outputs, 'rows').toString())![1]!.split(',');
      for (const text of texts) expect(text).toMatch(/[.e]/);
      expect(texts.map((text) => Math.fround(Number(text)))).toEqual(values);
    }),
    runs,
  );
});
