// What the scheduler makes of real models.

import { describe, expect, test } from 'vitest';
import { doubling, lookup, repositoryOf, sequences } from '../fixtures/models.ts';
import { serverOf, x } from '../fixtures/server.ts';

const sequence = (...values: number[]) => [
  { name: 'x', datatype: 'INT64' as const, shape: [1, values.length], data: values },
  { name: 'mask', datatype: 'INT64' as const, shape: [1, values.length], data: values.map(() => 1) },
];

async function parameters(
  server: Awaited<ReturnType<typeof serverOf>>,
  model: string,
): Promise<Record<string, string>> {
  return (await server.app.inject(`/v2/models/${model}`)).json().parameters;
}

describe('requests of different lengths', () => {
  test('share runs where a mask is proven to be obeyed, and each gets what it gets alone', async () => {
    using repository = repositoryOf({ 'm.onnx': sequences() });
    await using server = await serverOf(repository.path);
    expect(await parameters(server, 'm')).toMatchObject({
      padding: 'x, mask',
      padding_reason: 'rows of 4 lengths filled up and run together gave the same as each alone',
    });
    const lengths = Array.from({ length: 40 }, (_, i) => 1 + ((i * 7) % 12));
    const answers = await Promise.all(
      lengths.map((length) => server.infer('m', sequence(...Array.from({ length }, (_, i) => i)))),
    );
    for (const [i, length] of lengths.entries()) {
      const values = Array.from({ length }, (_, index) => index);
      const [sum, twice] = answers[i]!.body.outputs;
      expect(sum!.data).toEqual([values.reduce((a, b) => a + b, 0)]);
      expect([twice!.shape, twice!.data]).toEqual([[1, length], values.map((value) => 2 * value)]);
    }
  });

  test('do not where it is not obeyed', async () => {
    using repository = repositoryOf({ 'm.onnx': sequences(false) });
    await using server = await serverOf(repository.path);
    const { padding, padding_reason } = await parameters(server, 'm');
    expect([padding, padding_reason]).toEqual([
      undefined,
      "output 'sum' of a row differs when other rows run with it and are filled up",
    ]);
  });

  test('do where the operator names the inputs, after the same proof', async () => {
    const config = (value: number) => `padding: {x: ${value}, mask: 0}\n`;
    using repository = repositoryOf({
      'zero/model.onnx': sequences(),
      'zero/config.yaml': config(0),
      'nine/model.onnx': sequences(),
      'nine/config.yaml': config(9),
      'wrong/model.onnx': doubling(),
      'wrong/config.yaml': 'padding: {x: 0}\n',
      'off/model.onnx': sequences(),
      'off/config.yaml': 'padding: off\n',
    });
    await using server = await serverOf(repository.path);
    for (const model of ['zero', 'nine']) expect(await parameters(server, model)).toMatchObject({ padding: 'x, mask' });
    expect((await parameters(server, 'off')).padding_reason).toBe('switched off by its configuration');
    expect(server.registry.index()).toContainEqual({
      name: 'wrong',
      version: '1',
      state: 'UNAVAILABLE',
      reason: "its setting 'padding' names 'x': expected an input of numbers with one free dimension beside the first",
    });
  });
});

test('a client batch over the limit is served in several runs', async () => {
  using repository = repositoryOf({ 'm/model.onnx': doubling(), 'm/config.yaml': 'maxBatchSize: 4\n' });
  await using server = await serverOf(repository.path);
  const values = Array.from({ length: 22 }, (_, i) => i);
  const answer = await server.infer('m', [x('FP32', [11, 2], values)]);
  expect([answer.status, answer.body.outputs[0]!.shape, answer.body.outputs[0]!.data]).toEqual([
    200,
    [11, 2],
    values.map((value) => 2 * value),
  ]);
  const batches = (await server.app.inject('/v2/models/m/stats')).json().model_stats[0].batch_stats;
  expect(Math.max(...batches.map((batch: { batch_size: number }) => batch.batch_size))).toBeLessThanOrEqual(4);
});

test('of a hundred requests with one that the model refuses, ninety-nine are answered', async () => {
  using repository = repositoryOf({ 'm.onnx': lookup() });
  await using server = await serverOf(repository.path);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => server.infer('m', [x('INT64', [1], [i === 50 ? 99 : i % 4])])),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map((_, i) => (i === 50 ? 422 : 200)));
});

test('a priority is a level from 1, and 0 is the usual one', async () => {
  using repository = repositoryOf({ 'm.onnx': doubling() });
  await using server = await serverOf(repository.path);
  const send = (priority: unknown) =>
    server.app.inject({
      method: 'POST',
      url: '/v2/models/m/infer',
      payload: { inputs: [x('FP32', [1, 2], [1, 2])], parameters: { priority } },
    });
  for (const priority of [0, 1, 7]) expect((await send(priority)).statusCode).toBe(200);
  const refused = await send(-1);
  expect([refused.statusCode, refused.json().error]).toEqual([
    400,
    "parameter 'priority' must be a whole number from 1 (most urgent) to 100, or 0 for the usual level, got -1",
  ]);
});
