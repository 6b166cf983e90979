// The API document says what the server does: programs are generated from it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Datatype } from '../../src/tensor/datatype.ts';
import { identity, repositoryOf } from '../fixtures/models.ts';
import type { Graph } from '../fixtures/onnx-writer.ts';
import { serverOf, x } from '../fixtures/server.ts';

/** y = a + b, row by row. */
const sum: Graph = {
  nodes: [{ operator: 'Add', inputs: ['a', 'b'], outputs: ['y'] }],
  inputs: ['a', 'b'].map((name) => ({ name, type: 'float', shape: ['batch', 2] })),
  outputs: [{ name: 'y', type: 'float', shape: ['batch', 2] }],
};

const repository = repositoryOf({
  'byte/model.onnx': identity('uint8'),
  'fixed/model.onnx': identity('float', [1, 3]),
  'long/model.onnx': identity('int64'),
  'half/model.onnx': identity('float16'),
  'scalar/model.onnx': identity('float', []),
  'single/model.onnx': identity('float'),
  'string/model.onnx': identity('string'),
  'sum/model.onnx': sum,
});
let server: Awaited<ReturnType<typeof serverOf>>;
// biome-ignore lint/suspicious/noExplicitAny: a document of many shapes, each test looks at a few members
let document: any;

beforeAll(async () => {
  server = await serverOf(repository.path);
  document = (await server.app.inject('/openapi.json')).json();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const inputsOf = (model: string) =>
  document.paths[`/v2/models/${model}/versions/1/infer`].post.requestBody.content['application/json'].schema.properties
    .inputs;
const inputOf = (model: string) => inputsOf(model).items.properties;

test('every component has a name, and every reference leads to one', () => {
  const names = Object.keys(document.components.schemas);
  expect(names).not.toContain('undefined');
  const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)];
  expect(references.length).toBeGreaterThan(50);
  for (const [, name] of references) expect(names).toContain(name);
});

test('a body that may be left out is not required, every other is', async () => {
  for (const [path, required] of [
    ['/v2/repository/index', false],
    ['/v2/models/{model}/infer', true],
    ['/v1/models/{model}:predict', true],
    ['/v2/models/{model}/generate', true],
  ] as const) {
    expect(document.paths[path].post.requestBody.required).toBe(required);
  }
  expect((await server.app.inject({ method: 'POST', url: '/v2/repository/index' })).statusCode).toBe(200);
});

test('headers that mean something are named, on the request and on the answer', () => {
  const { parameters, responses } = document.paths['/v2/models/{model}/infer'].post;
  const named = parameters.map(({ name, in: place }: { name: string; in: string }) => `${place} ${name}`);
  expect(named).toEqual(
    expect.arrayContaining(['header Inference-Header-Content-Length', 'header x-request-timeout-ms']),
  );
  expect(Object.keys(responses[200].headers)).toContain('Inference-Header-Content-Length');
  expect(Object.keys(responses[503].headers)).toContain('Retry-After');
});

describe("a model's operation", () => {
  test('counts the elements where the shape is fixed, and has no empty tuples', () => {
    expect(inputOf('fixed').data).toMatchObject({ minItems: 3, maxItems: 3 });
    expect(inputOf('scalar').data).toMatchObject({ minItems: 1, maxItems: 1 });
    expect(inputOf('scalar').shape).toEqual({ type: 'array', minItems: 0, maxItems: 0 });
    expect(inputOf('single').data).not.toHaveProperty('minItems');
  });

  test('has the bounds of 64 bits with all their digits', async () => {
    for (const url of ['/openapi.json', '/docs/json']) {
      const { body } = await server.app.inject(url);
      expect(body).toContain('"minimum":-9223372036854775808,"maximum":9223372036854775807');
    }
  });

  test('wants each of several inputs', () => {
    const named = (name: string) => ({ contains: { properties: { name: { const: name } }, required: ['name'] } });
    expect(inputsOf('sum')).toMatchObject({
      minItems: 2,
      maxItems: 2,
      items: { oneOf: [{}, {}] },
      allOf: [named('a'), named('b')],
    });
  });

  test.each<[string, Datatype, unknown[], number]>([
    ['byte', 'UINT8', [255, 0], 200],
    ['byte', 'UINT8', [256, 0], 400],
    ['half', 'FP16', [65_519.9, -65_519.9], 200],
    ['half', 'FP16', [65_520, 0], 400],
    ['single', 'FP32', [3.402823567797336e38, -3.402823567797336e38], 200],
    ['single', 'FP32', [3.4028235677973366e38, 0], 400],
    ['string', 'BYTES', ['ä', ''], 200],
    ['string', 'BYTES', ['a\0', ''], 400],
  ])('bounds its elements as the server does: %s, %s %j: %i', async (model, datatype, data, status) => {
    expect((await server.infer(model, [x(datatype, [1, 2], data)])).status).toBe(status);
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, pattern } = inputOf(model).data.items;
    const fits = (value: unknown) =>
      typeof value === 'string'
        ? new RegExp(pattern, 'u').test(value)
        : Number(value) >= (minimum ?? -Infinity) &&
          Number(value) <= (maximum ?? Infinity) &&
          Number(value) > (exclusiveMinimum ?? -Infinity) &&
          Number(value) < (exclusiveMaximum ?? Infinity);
    expect(data.every(fits)).toBe(status === 200);
  });
});
