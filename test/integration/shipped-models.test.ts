import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readOnnxFile } from '../../src/model/onnx-file.ts';
import type { Datatype } from '../../src/tensor/datatype.ts';
import { sampleInputs } from '../../src/tensor/sample.ts';
import { type JsonInput, serverOf, x } from '../fixtures/server.ts';

const MODELS = ['digits', 'iris', 'iris-zipmap', 'langid', 'simplenet', 'spam-text'];
let server: Awaited<ReturnType<typeof serverOf>>;

beforeAll(async () => {
  server = await serverOf('models', { maxBatchSize: 16 });
});
afterAll(() => server[Symbol.asyncDispose]());

const requestOf = (model: string) => JSON.parse(readFileSync(`models/${model}/request.json`, 'utf8'));

test('every shipped model is ready', () => {
  expect(server.registry.names()).toEqual(MODELS);
  expect(server.registry.unready).toBeUndefined();
});

describe.each(MODELS)('%s', (model) => {
  test('answers its sample request, with the time it took and with whom it ran', async () => {
    const { inputs, ...more } = requestOf(model);
    const { status, headers, body } = await server.infer(model, inputs, { id: 'abc', ...more });
    expect(status).toBe(200);
    expect(body).toMatchObject({ id: 'abc', model_name: model, model_version: '1' });
    expect(headers['server-timing']).toMatch(
      /^decode;dur=[\d.]+, queue;dur=[\d.]+, compute;dur=[\d.]+, encode;dur=[\d.]+$/,
    );
    expect(headers).toMatchObject({ 'ortlet-model-version': '1', 'ortlet-batch-rows': String(inputs[0].shape[0]) });
  });

  test('gives the same answer batched and alone, for random rows', async () => {
    const { signature } = server.registry.resolve(model);
    const row = (seed: number): JsonInput[] =>
      Array.from(sampleInputs(signature.inputs, { rows: 1, size: 8, seed }), ([name, { datatype, shape, data }]) => {
        const values = Array.from(data as Iterable<unknown>, (value) =>
          typeof value === 'bigint' ? Number(value) : value,
        );
        return { name, datatype, shape, data: values };
      });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(1e6), { minLength: 2, maxLength: 16 }), async (seeds) => {
        const together = await Promise.all(seeds.map((seed) => server.infer(model, row(seed))));
        for (const [i, seed] of seeds.entries()) {
          const alone = await server.infer(model, row(seed));
          expect(alone.headers['ortlet-batch-rows']).toBe('1');
          for (const [j, output] of alone.body.outputs.entries()) {
            const { data, ...rest } = together[i]!.body.outputs[j]!;
            expect(rest).toEqual({ name: output.name, datatype: output.datatype, shape: output.shape });
            expectSame(output.datatype, data, output.data);
          }
        }
      }),
      { numRuns: 8 },
    );
  });
});

function expectSame(datatype: Datatype, actual: readonly unknown[], expected: readonly unknown[]): void {
  if (!datatype.startsWith('FP')) expect(actual).toEqual(expected);
  else for (const [i, value] of expected.entries()) expect(actual[i] as number).toBeCloseTo(value as number, 4);
}

test('requests that come at once share runs', async () => {
  const answers = await Promise.all(
    Array.from({ length: 32 }, () => server.infer('simplenet', requestOf('simplenet').inputs)),
  );
  expect(Math.max(...answers.map(({ headers }) => Number(headers['ortlet-batch-rows'])))).toBeGreaterThan(1);
  expect(new Set(answers.map(({ body }) => body.outputs[0]!.data[0])).size).toBe(1);
});

test('simplenet is y = W2 · relu(W1 · x + b1) + b2, computed from the weights in its file', async () => {
  const { initializers } = readOnnxFile('models/simplenet/model.onnx');
  const weights = (name: string) => {
    const { data, shape } = initializers.find((initializer) => initializer.name === name)!;
    return { shape, values: new Float32Array(new Uint8Array(data).buffer) };
  };
  const layer = (name: string, input: readonly number[]) => {
    const { shape, values } = weights(`${name}.weight`);
    const bias = weights(`${name}.bias`).values;
    const [outputs, inputs] = shape as [number, number];
    expect([inputs, bias.length]).toEqual([input.length, outputs]);
    return Array.from(bias, (b, o) => input.reduce((sum, value, i) => sum + value * values[o * inputs + i]!, b));
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 10, maxLength: 10 }),
      async (input) => {
        const hidden = layer('fc1', input).map((value) => Math.max(0, value));
        const [expected] = layer('fc2', hidden);
        const { body } = await server.infer('simplenet', [
          { name: 'input', datatype: 'FP32', shape: [1, 10], data: input },
        ]);
        expect(body.outputs[0]!.data[0]).toBeCloseTo(expected!, 4);
      },
    ),
    { numRuns: 50 },
  );
});

test('spam-text handles capitals and punctuation inside the graph', async () => {
  const text = (...data: string[]) =>
    server.infer('spam-text', [{ name: 'text', datatype: 'BYTES', shape: [data.length], data }]);
  const { body } = await text('FREE MONEY!!! Click here now, winner!', 'free money click here now winner');
  const [label, probabilities] = body.outputs;
  expect(label!.data[0]).toBe(label!.data[1]);
  expect(probabilities!.data[0]).toBeCloseTo(probabilities!.data[2] as number, 5);
});

test('an output that is no tensor is hidden, and the model says so', async () => {
  const { parameters, outputs } = (await server.app.inject('/v2/models/iris-zipmap')).json();
  expect(outputs).toEqual([{ name: 'label', datatype: 'BYTES', shape: [-1] }]);
  expect(parameters.hidden_outputs).toContain("'probabilities' is a sequence or a map");
  const { status, body } = await server.infer(
    'iris-zipmap',
    [{ ...x('INT64', [1, 4], [51, 35, 14, 2]), name: 'features' }],
    {
      outputs: [{ name: 'probabilities' }],
    },
  );
  expect([status, body.error]).toEqual([
    400,
    expect.stringContaining("'probabilities' for model 'iris-zipmap': it is a sequence"),
  ]);
});
