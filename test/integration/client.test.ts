// The client against a real server.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AnyTensor, OrtletClient, type OrtletError } from '../../src/client/client.ts';
import { DATATYPE_NAMES, type Datatype } from '../../src/tensor/datatype.ts';
import { doubling, identity, repositoryOf } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';
import { ONNX_TYPES } from '../fixtures/tensors.ts';

const repository = repositoryOf({
  // One input and one output of each datatype: y_… = x_…
  'all.onnx': {
    nodes: DATATYPE_NAMES.map((name) => ({ operator: 'Identity', inputs: [`x_${name}`], outputs: [`y_${name}`] })),
    inputs: DATATYPE_NAMES.map((name) => ({ name: `x_${name}`, type: ONNX_TYPES[name], shape: ['rows', 'columns'] })),
    outputs: DATATYPE_NAMES.map((name) => ({ name: `y_${name}`, type: ONNX_TYPES[name], shape: ['rows', 'columns'] })),
  },
  'double/1/model.onnx': doubling(),
  'double/2/model.onnx': doubling(),
  'double/config.yaml': 'versions: all',
  'scalar.onnx': identity('int64', []),
});
let server: Awaited<ReturnType<typeof serverOf>>;
let url: string;
let client: OrtletClient;

beforeAll(async () => {
  server = await serverOf(repository.path, { modelControl: 'explicit' });
  url = await server.app.listen({ port: 0 });
  client = new OrtletClient({ url });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

describe.each([
  ['in binary form', true],
  ['in JSON', false],
])('%s', (_, binary) => {
  /** What the identity of every datatype makes of `elements`, each as rows of the same columns. */
  const roundTrip = async (elements: Partial<Record<Datatype, readonly unknown[]>>, rows: number, columns: number) => {
    const fill: Partial<Record<Datatype, unknown>> = { BOOL: false, BYTES: '' };
    const inputs = DATATYPE_NAMES.map((name) => {
      const all = elements[name] ?? Array(rows * columns).fill(fill[name] ?? 0);
      const nested = Array.from({ length: rows }, (_, row) => all.slice(row * columns, (row + 1) * columns));
      return [`x_${name}`, nested];
    });
    const { outputs } = await client.infer('all', Object.fromEntries(inputs), { binary });
    return Object.fromEntries(
      DATATYPE_NAMES.map((name) => {
        const { datatype, shape, data } = outputs[`y_${name}`]!;
        expect([datatype, shape]).toEqual([name, [rows, columns]]);
        return [name, data];
      }),
    ) as Record<Datatype, AnyTensor['data']>;
  };

  test('every datatype comes back as its array, with the ends of its range and what JSON has no word for', async () => {
    const ends = {
      BOOL: [true, false, true, false],
      UINT8: [0, 255, 1, 2],
      UINT16: [0, 65_535, 1, 2],
      UINT32: [0, 4_294_967_295, 1, 2],
      UINT64: [0n, 18_446_744_073_709_551_615n, 9_007_199_254_740_993n, 1_000_000_000_000_000n],
      INT8: [-128, 127, 0, 1],
      INT16: [-32_768, 32_767, 0, 1],
      INT32: [-2_147_483_648, 2_147_483_647, 0, 1],
      INT64: [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n, -9_007_199_254_740_993n, 0n],
      FP16: [65_504, Number.NaN, -0, 2 ** -24],
      FP32: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Math.fround(0.1)],
      FP64: [0.1, 1e300, -0, 5e-324],
      BYTES: ['', 'NaN', '\ufeffüß🙂"\\', '[1234567890123456789, NaN]'],
    };
    expect(await roundTrip(ends, 2, 2)).toEqual({
      BOOL: ends.BOOL,
      UINT8: Uint8Array.from(ends.UINT8),
      UINT16: Uint16Array.from(ends.UINT16),
      UINT32: Uint32Array.from(ends.UINT32),
      UINT64: BigUint64Array.from(ends.UINT64),
      INT8: Int8Array.from(ends.INT8),
      INT16: Int16Array.from(ends.INT16),
      INT32: Int32Array.from(ends.INT32),
      INT64: BigInt64Array.from(ends.INT64),
      FP16: Float32Array.from(ends.FP16),
      FP32: Float32Array.from(ends.FP32),
      FP64: Float64Array.from(ends.FP64),
      BYTES: ends.BYTES,
    });
  });

  test('64-bit integers are exact, whatever they are', async () => {
    const sizes = { minLength: 4, maxLength: 4 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), sizes),
        fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), sizes),
        async (signed, unsigned) => {
          const { INT64, UINT64 } = await roundTrip({ INT64: signed, UINT64: unsigned }, 2, 2);
          expect([Array.from<unknown>(INT64), Array.from<unknown>(UINT64)]).toEqual([signed, unsigned]);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('a tensor may hold no element, or be a scalar', async () => {
    expect((await roundTrip({}, 2, 0)).INT64).toEqual(new BigInt64Array());
    expect((await client.infer('scalar', { x: 5 }, { binary })).outputs).toEqual({
      y: { datatype: 'INT64', shape: [], data: BigInt64Array.of(5n) },
    });
  });

  test('outputs asked for by name come alone, the version is the one asked for, the id comes back', async () => {
    const x = { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, 2) } as const;
    expect(await client.infer('double', { x }, { binary, version: '1', outputs: ['y'], id: 'a "b"' })).toEqual({
      model: 'double',
      version: '1',
      id: 'a "b"',
      outputs: { y: { datatype: 'FP32', shape: [1, 2], data: Float32Array.of(2, 4) } },
    });
    expect((await client.infer('double', { x })).version).toBe('2');
  });

  test('what the server refuses is an error with its status and words', async () => {
    const failure = await client.infer('double', { x: [1, 2] }, { binary }).catch((error: OrtletError) => error);
    expect(failure).toMatchObject({ name: 'OrtletError', status: 400, message: expect.stringContaining('send [1,2]') });
  });
});

test('the server and its models say what they are', async () => {
  expect(await client.models()).toEqual(['all', 'double', 'scalar']);
  expect([await client.live(), await client.ready(), await client.ready('double', { version: '1' })]).toEqual([
    true,
    true,
    true,
  ]);
  expect(await client.metadata('double')).toMatchObject({
    name: 'double',
    versions: ['1', '2'],
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  });
  await expect(client.metadata('nosuch')).rejects.toMatchObject({ status: 404 });
});

test('a model is unloaded and loaded again', async () => {
  await client.unload('scalar');
  expect(await client.ready('scalar')).toBe(false);
  await expect(client.infer('scalar', { x: 1 })).rejects.toMatchObject({ status: 503, retryAfterMs: undefined });
  await client.load('scalar');
  expect(await client.ready('scalar')).toBe(true);
  await expect(client.load('nosuch')).rejects.toMatchObject({ status: 404 });
});
