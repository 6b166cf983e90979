// Names that mean something to JavaScript, wherever a request may have a name: they are names like any other.

import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { doubling, pair, repositoryOf, strings } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';

const repository = repositoryOf({ 'm.onnx': doubling(), 'pair.onnx': pair(), 'strings.onnx': strings() });
const server = await serverOf(repository.path, {
  modelControl: 'explicit',
  loadOverrides: 'files',
  sageMaker: true,
  vertex: true,
  defaultModel: 'm',
});
const untouched = Reflect.ownKeys(Object.prototype);

beforeEach(() => {
  return () => {
    expect(Reflect.ownKeys(Object.prototype)).toEqual(untouched);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  };
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const OBJECTS = ['{"polluted":1,"id":"x"}', '["polluted"]', '"polluted"', '1', 'true', 'null'];
const KEYS = ['__proto__', '\\u005f_proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'];
const INPUT = '"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]';

/** `#` is where the name and its value go: `"__proto__":{…}`. */
const PLACES: readonly (readonly [where: string, path: string, body: string])[] = [
  ['an inference request', '/v2/models/m/infer', `{#,"inputs":[{${INPUT}}]}`],
  ['its parameters', '/v2/models/m/infer', `{"parameters":{#},"inputs":[{${INPUT}}]}`],
  ['an input', '/v2/models/m/infer', `{"inputs":[{#,${INPUT}}]}`],
  ["an input's parameters", '/v2/models/m/infer', `{"inputs":[{"parameters":{#},${INPUT}}]}`],
  ["an input's data", '/v2/models/m/infer', '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[{#},2]}]}'],
  ['an output', '/v2/models/m/infer', `{"inputs":[{${INPUT}}],"outputs":[{#,"name":"y"}]}`],
  ["an output's parameters", '/v2/models/m/infer', `{"inputs":[{${INPUT}}],"outputs":[{"name":"y","parameters":{#}}]}`],
  ['a predict request', '/v1/models/m:predict', '{#,"instances":[[1,2]]}'],
  ['a row', '/v1/models/pair:predict', '{"instances":[{#,"a":[1,2],"b":1}]}'],
  ['the only key of a row', '/v1/models/m:predict', '{"instances":[{#}]}'],
  ['columns', '/v1/models/pair:predict', '{"inputs":{#,"a":[[1,2]],"b":[1]}}'],
  ['a binary string', '/v1/models/strings:predict', '{"instances":[{"b64":"YQ==",#}]}'],
  ['a generate request', '/v2/models/m/generate', '{#,"x":[1,2]}'],
  ['its parameters', '/v2/models/m/generate', '{"parameters":{#},"x":[1,2]}'],
  ['a request of SageMaker', '/invocations', '{#,"instances":[[1,2]]}'],
  ['a request of Vertex AI', '/predict', '{#,"instances":[[1,2]]}'],
  ['a load request', '/v2/repository/models/ghost/load', '{#}'],
  ["a load request's parameters", '/v2/repository/models/ghost/load', '{"parameters":{#,"config":"{}"}}'],
  ['an unload request', '/v2/repository/models/ghost/unload', '{#,"parameters":{#}}'],
  ['an index request', '/v2/repository/index', '{#}'],
  ['log settings', '/v2/logging', '{#}'],
  ['trace settings', '/v2/trace/setting', '{#}'],
  ["a model's trace settings", '/v2/models/m/trace/setting', '{#,"trace_rate":"7"}'],
];

describe.each(PLACES)('in %s (%s)', (_where, url, body) => {
  test('a name of the language is a name like any other', async () => {
    for (const key of KEYS) {
      for (const value of OBJECTS) {
        const payload = body.replaceAll('#', () => `"${key}":${value}`);
        const { statusCode } = await server.app.inject({ method: 'POST', url, payload });
        expect([statusCode, payload]).toEqual([statusCode < 500 ? statusCode : 'below 500', payload]);
      }
    }
  });
});

test('in the JSON before binary tensors too', async () => {
  const tensor = Buffer.from(Float32Array.of(1, 2).buffer);
  const input = '"name":"x","datatype":"FP32","shape":[1,2]';
  const places = [
    `{#,"inputs":[{${input},"parameters":{"binary_data_size":8}}]}`,
    `{"parameters":{#},"inputs":[{${input},"parameters":{"binary_data_size":8}}]}`,
    `{"inputs":[{#,${input},"parameters":{"binary_data_size":8}}]}`,
    `{"inputs":[{${input},"parameters":{#,"binary_data_size":8}}]}`,
    `{"inputs":[{${input},"parameters":{"binary_data_size":8}}],"outputs":[{#,"name":"y"}]}`,
  ];
  for (const place of places) {
    for (const key of KEYS) {
      for (const value of OBJECTS) {
        const json = place.replaceAll('#', () => `"${key}":${value}`);
        const headers = { 'inference-header-content-length': String(Buffer.byteLength(json)) };
        const payload = Buffer.concat([Buffer.from(json), tensor]);
        const { statusCode } = await server.app.inject({ method: 'POST', url: '/v2/models/m/infer', headers, payload });
        expect([statusCode < 500, json]).toEqual([true, json]);
      }
    }
  }
});

test('what a prototype says is not what the request says', async () => {
  const send = async (payload: string) =>
    await server.app.inject({ method: 'POST', url: '/v2/models/m/infer', payload });
  const plain = await send(`{"inputs":[{${INPUT}}]}`);
  for (const inherited of ['"id":"inherited"', '"outputs":[{"name":"nosuch"}]', '"parameters":{"timeout":"wrong"}']) {
    expect((await send(`{"__proto__":{${inherited}},"inputs":[{${INPUT}}]}`)).body).toBe(plain.body);
  }
  expect((await send(`{"__proto__":{"inputs":[{${INPUT}}]}}`)).statusCode).toBe(400);
  expect((await send(`{"inputs":[{"__proto__":{${INPUT}}}]}`)).statusCode).toBe(400);
});

test.each(['__proto__', 'constructor', 'toString', 'prototype'])(
  'there is no model %s, and no version',
  async (name) => {
    for (const url of [`/v2/models/${name}`, `/v2/models/m/versions/${name}`, `/v1/models/m/labels/${name}`]) {
      expect((await server.app.inject(url)).statusCode).toBe(404);
    }
  },
);

test('inputs and outputs may have such names', async () => {
  const named = ['__proto__', 'constructor'] as const;
  using odd = repositoryOf({
    'odd.onnx': {
      nodes: [
        { operator: 'Add', inputs: ['__proto__', '__proto__'], outputs: ['toString'] },
        { operator: 'Identity', inputs: ['constructor'], outputs: ['prototype'] },
      ],
      inputs: named.map((name) => ({ name, type: 'float', shape: ['batch', 2] })),
      outputs: ['toString', 'prototype'].map((name) => ({ name, type: 'float', shape: ['batch', 2] })),
    },
  });
  await using other = await serverOf(odd.path);
  const input = (name: string) => ({ name, datatype: 'FP32' as const, shape: [1, 2], data: [1, 2] });
  const { status, body } = await other.infer('odd', named.map(input));
  expect([status, body.outputs?.map(({ data }) => data)]).toEqual([
    200,
    [
      [2, 4],
      [1, 2],
    ],
  ]);
  const missing = await other.infer('odd', [input('constructor')]);
  expect([missing.status, missing.body.error]).toEqual([
    400,
    expect.stringContaining("missing required input(s) ['__proto__']"),
  ]);
  const predict = '{"inputs":{"__proto__":[[1,2]],"constructor":[[3,4]]}}';
  const predicted = await other.app.inject({ method: 'POST', url: '/v1/models/odd:predict', payload: predict });
  expect(predicted.json()).toEqual({ outputs: { toString: [[2, 4]], prototype: [[3, 4]] } });
});
