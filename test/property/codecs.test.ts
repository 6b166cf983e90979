import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { binaryCodec } from '../../src/codec/binary-codec.ts';
import type { DecodedRequest } from '../../src/codec/codec.ts';
import { jsonCodec } from '../../src/codec/json-codec.ts';
import { isPlainRequest } from '../../src/codec/request-envelope.ts';
import { inferRequest } from '../../src/codec/schema.ts';
import { ServingError } from '../../src/errors.ts';
import type { NamedTensors } from '../../src/tensor/tensor.ts';
import { namedTensors, tensorOf } from '../fixtures/tensors.ts';

/** 100,000 cases in all: two properties for each of two codecs. */
const runs = { seed: 2025, numRuns: 25_000 };
const timings = { queueMs: 0, computeMs: 0, batchRows: 1, dispatchReason: 'idle' } as const;
const asked = (binaryOutput: boolean): DecodedRequest => ({
  id: undefined,
  inputs: new Map(),
  outputs: undefined,
  binaryOutput,
  timeoutUs: undefined,
  priority: undefined,
});

/** An answer sent back as a request: both sides use the same tensor objects. */
function resend(tensors: NamedTensors, binary: boolean): { body: Buffer; headerLength: number | undefined } {
  const codec = binary ? binaryCodec : jsonCodec;
  const { body, headerLength } = codec.encode({ model: 'm', version: '1', outputs: tensors, timings }, asked(binary));
  const bytes = Buffer.from(body);
  const json = bytes.subarray(0, headerLength).toString().replace('"outputs":', '"inputs":');
  const head = Buffer.from(json);
  return {
    body: Buffer.concat([head, bytes.subarray(headerLength ?? bytes.length)]),
    headerLength: headerLength && head.length,
  };
}

describe.each([
  ['JSON', false],
  ['binary', true],
])('%s', (_, binary) => {
  const decode = (body: Buffer, headerLength: number | undefined) =>
    binary ? binaryCodec.decode(body, headerLength) : jsonCodec.decode(body);

  test('decode of encode is the identity, for every datatype, NaN, -0 and the ends of every range', () => {
    fc.assert(
      fc.property(namedTensors, (tensors) => {
        const { body, headerLength } = resend(tensors, binary);
        const { inputs } = decode(body, headerLength);
        expect([...inputs.keys()]).toEqual([...tensors.keys()]);
        for (const [name, { datatype, shape, data }] of tensors) {
          expect(inputs.get(name)).toMatchObject({ datatype, shape });
          const normal = (values: typeof data) => Array.from(values as readonly unknown[]);
          if (datatype === 'FP16')
            expect(normal(inputs.get(name)!.data).map(isNaNHalf)).toEqual(normal(data).map(isNaNHalf));
          else expect(normal(inputs.get(name)!.data)).toEqual(normal(data));
        }
      }),
      runs,
    );
  });

  test('a damaged body is either still valid or refused with a message, never anything else', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(namedTensors, damage, fc.nat(), (tensors, changes, cut) => {
        const { body, headerLength } = resend(tensors, binary);
        for (const [at, byte] of changes) body[at % body.length] = byte;
        const end = cut % 3 === 0 ? cut % body.length : body.length;
        if (headerLength !== undefined && headerLength > end) return;
        try {
          decode(body.subarray(0, end), headerLength);
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
const isNaNHalf = (half: unknown) => (((half as number) & 0x7fff) > 0x7c00 ? 'NaN' : half);

test('FP32 is printed in the shortest form that reads back as the same number', () => {
  const print = (value: number) => {
    const outputs = new Map([['y', tensorOf('FP32', [1], [value])]]);
    return /"data":\[(.*?)\]/.exec(
      String(jsonCodec.encode({ model: 'm', version: '1', outputs, timings }, asked(false)).body),
    )![1]!;
  };
  expect([0.1, 1 / 3, 1e-7, 16777216, 1e20, -2.5].map(print)).toEqual([
    '0.1',
    '0.33333334',
    '1e-7',
    '16777216',
    '100000000000000000000',
    '-2.5',
  ]);
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const printed = print(value);
      expect(Math.fround(Number(printed))).toBe(value);
      // The exact integer is as long as one rounded to fewer digits, whose places zeros fill.
      const shortest = [1, 2, 3, 4, 5, 6, 7, 8, 9]
        .map((count) => Number(value.toPrecision(count)))
        .find((candidate) => Math.fround(candidate) === value)!;
      expect(printed.length).toBeLessThanOrEqual(Object.is(value, -0) ? 2 : `${shortest}`.length);
    }),
    // Six digits are near enough here, and are not the nearest seven.
    { numRuns: 3000, examples: [[-0.0009882679441943765]] },
  );
});

test('a request that is recognised by hand is one that the schema accepts unchanged', () => {
  const odd = fc.constantFrom<unknown>(null, 1, -1, 1.5, 'x', [], {}, 2 ** 60, [1], ['1'], [-1], undefined);
  const object = (keys: Record<string, fc.Arbitrary<unknown>>) => fc.record(keys, { requiredKeys: [] });
  const mostly = (valid: fc.Arbitrary<unknown>) =>
    fc.oneof({ arbitrary: valid, weight: 9 }, { arbitrary: odd, weight: 1 });
  const input = fc.record(
    {
      name: mostly(fc.string()),
      shape: mostly(fc.array(fc.nat(5))),
      datatype: mostly(fc.constantFrom('FP32', 'BYTES')),
      data: fc.array(fc.double()),
      parameters: mostly(fc.record({ binary_data_size: mostly(fc.nat()) })),
      extra: odd,
    },
    { requiredKeys: ['name', 'shape', 'datatype', 'data'] },
  );
  const parameters = mostly(fc.record({ binary_data_output: mostly(fc.boolean()) }));
  const request = object({ inputs: mostly(fc.array(input, { maxLength: 2 })), parameters, id: odd });
  let plain = 0;
  fc.assert(
    fc.property(fc.oneof(request, odd), (value) => {
      if (!isPlainRequest(value)) return;
      plain++;
      expect(inferRequest.parse(value)).toEqual(value);
    }),
    { numRuns: 5000, seed: 1 },
  );
  expect(plain).toBeGreaterThan(50);
});
