import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { doubling, identity, lookup, pair, repositoryOf, rowsMinusMean, strings } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';

const repository = repositoryOf({
  'double/1/model.onnx': doubling(),
  'double/3/model.onnx': rowsMinusMean(),
  'double/config.yaml': 'versions: all\nversionLabels: {stable: 1}',
  'long/model.onnx': identity('int64'),
  'pair/model.onnx': pair(),
  'strings/model.onnx': strings(),
  'scalar/model.onnx': identity('float', []),
  'lookup/model.onnx': lookup(),
  'broken/model.onnx': 'no model',
});
let server: Awaited<ReturnType<typeof serverOf>>;

beforeAll(async () => {
  server = await serverOf(repository.path, { maxBodyBytes: 10_000_000 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const send = async (path: string, payload: string, headers = {}) => {
  const { statusCode, body } = await server.app.inject({ method: 'POST', url: path, payload, headers });
  return [statusCode, body];
};
const predict = (model: string, payload: string) => send(`/v1/models/${model}:predict`, payload);
const get = async (url: string) => {
  const { statusCode, body, headers } = await server.app.inject(url);
  return { status: statusCode, body: JSON.parse(body), headers };
};

describe('rows', () => {
  test('of one input are a list of values, and those of one output come bare', async () => {
    expect(await predict('double/versions/1', '{"instances":[[1,2.5],[3e10,-0]]}')).toEqual([
      200,
      '{"predictions":[[2.0,5.0],[60000000000.0,-0.0]]}',
    ]);
  });

  test('of one input may name it', async () => {
    expect(await predict('double/versions/1', '{"instances": [ {"x": [1, 2]} , {"x": [3, 4]} ]}')).toEqual([
      200,
      '{"predictions":[[2.0,4.0],[6.0,8.0]]}',
    ]);
  });

  test('of several inputs are objects, in any order of their keys, and so are those of several outputs', async () => {
    const body = '{"instances":[{"a":[1,2],"b":9007199254740993},{"b":-1,"a":[NaN,-Infinity]}]}';
    expect(await predict('pair', body)).toEqual([
      200,
      '{"predictions":[{"p":[1.0,2.0],"q":9007199254740993},{"p":[NaN,-Infinity],"q":-1}]}',
    ]);
  });

  test('of a scalar output there are none, and the message says what to send', async () => {
    expect(await predict('scalar', '{"inputs":2}')).toEqual([200, '{"outputs":2.0}']);
    expect(await predict('scalar', '{"inputs":{"x":2}}')).toEqual([200, '{"outputs":2.0}']);
    expect(await predict('scalar', '{"instances":[2]}')).toEqual([
      400,
      expect.stringContaining('Expected [], got [1]'),
    ]);
  });
});

describe('columns', () => {
  test('are one value for the one input, answered by one for the one output', async () => {
    expect(await predict('double/versions/1', '{"inputs":[[1,2]],"signature_name":"serving_default"}')).toEqual([
      200,
      '{"outputs":[[2.0,4.0]]}',
    ]);
    expect(await predict('double/versions/1', '{"inputs":{"x":[[1,2]]}}')).toEqual([200, '{"outputs":[[2.0,4.0]]}']);
  });

  test('of several inputs are an object, and so is the answer of several outputs', async () => {
    expect(await predict('pair', '{"inputs":{"b":[7],"a":[[0.1,1e-7]]}}')).toEqual([
      200,
      '{"outputs":{"p":[[0.1,1e-7]],"q":[7]}}',
    ]);
  });
});

describe('strings', () => {
  test('may come as base64, and go so from an output whose name ends in _bytes', async () => {
    expect(await predict('strings', '{"instances":["é",{"b64":"w6k="},{ "b64" : "Pz8\\/" }]}')).toEqual([
      200,
      '{"predictions":[{"text":"é","image_bytes":{"b64":"w6k="}},{"text":"é","image_bytes":{"b64":"w6k="}},' +
        '{"text":"???","image_bytes":{"b64":"Pz8/"}}]}',
    ]);
    expect(await predict('strings', '{"inputs":{"x":[{"b64":"YQ=="}]}}')).toEqual([
      200,
      '{"outputs":{"text":["a"],"image_bytes":[{"b64":"YQ=="}]}}',
    ]);
  });

  test.each([
    ['{"instances":[{"b64":"%"}]}', 'element 0 of BYTES must be base64 of a text in UTF-8, got %'],
    ['{"instances":[{"b64":"/w=="}]}', 'must be base64 of a text in UTF-8'],
    ['{"instances":["a",{"b64":1}]}', 'element 1 of BYTES must be a string or {"b64": "…"}, got {"b64":1}'],
    ['{"instances":["a",{"b64":"AGE="}]}', 'without NUL'],
  ])('%s is refused', async (body, message) => {
    const [status, text] = await predict('strings', body);
    expect([status, JSON.parse(text as string).error]).toEqual([400, expect.stringContaining(message)]);
  });
});

describe('what does not fit is refused, and the message says where', () => {
  test.each([
    ['double', '', 'the body is empty'],
    ['double', '[]', 'the body must be an object'],
    ['double', '{}', "the body has neither: send either 'instances', a list of rows, or 'inputs', columns"],
    ['double', '{"instances":[[1,2]],"inputs":[[1,2]]}', 'the body has both'],
    ['double', '{"instances":[[1,2]],"signature_name":1}', "'signature_name' must be a string, got 1"],
    ['double', '{"instances":[]}', "'instances' must be a list of at least one row"],
    ['double', '{"instances":{"x":[1,2]}}', "'instances' must be a list of at least one row"],
    ['double', '{"instances":[[1,2],[3]]}', "input 'x' is ragged: [1] has 1 elements where [0] has 2"],
    ['double', '{"instances":[[1,2],3]}', "input 'x' is ragged: [1] is a value where [0] is an array"],
    ['double', '{"instances":[1,[2]]}', "input 'x' is ragged: [1] is an array where [0] is a value"],
    [
      'double',
      '{"instances":[[1,"2"]]}',
      "Unable to parse 'instances' of input 'x': element 1 of FP32 must be a number",
    ],
    ['double', '{"instances":[[1,2,3]]}', 'Expected [-1,2], got [1,3]'],
    ['double', '{"instances":[[1 2]]}', "a comma or a bracket is missing, in 'instances' of input 'x' at 17"],
    ['double', '{"instances":[{"y":[1,2]}]}', "instances[0] has 'y', which is no input of model 'double'"],
    ['double', '{"inputs":{"y":[1,2]}}', "'inputs' has 'y', which is no input"],
    ['double', '{"inputs":{"x":[[1,2]],"x":[[1,2]]}}', "'inputs' has 'x' twice"],
    ['pair', '{"instances":[1]}', "model 'pair' has 2 inputs ('a', 'b'): send a list of objects with each of them"],
    ['pair', '{"inputs":[1]}', 'send an object with each of them'],
    ['pair', '{"inputs":{"a":[[1,2]]}}', "missing required input(s) ['b']"],
    ['pair', '{"inputs":{"a":[[1,2]],"b":[1,2]}}', 'Send the same number of rows in each'],
    ['pair', '{"instances":[{"a":[1,2],"b":1},{"a":[1,2]}]}', "instances[1] lacks 'b', which instances[0] has"],
    ['pair', '{"instances":[{"a":[1,2]},{"a":[1,2],"b":1}]}', "instances[0] lacks 'b', which instances[1] has"],
    ['pair', '{"instances":[{"a":[1,2],"b":1,"b":2}]}', "instances[0] has 'b' twice"],
    ['pair', '{"instances":[{"a":[1,2],"b":1},7]}', 'instances[1] must be an object'],
    [
      'pair',
      '{"instances":[{"a":[1,2],"b":1},{"a":[1],"b":1}]}',
      "input 'a' is ragged: [1] has 1 elements where [0] has 2",
    ],
    [
      'pair',
      '{"instances":[{"a":[1,2],"b":1},{"a":[1,],"b":1}]}',
      "an element is missing, in 'instances' of input 'a' at 40",
    ],
    ['pair', '{"instances":[{"a":[1,2] "b":1}]}', "a comma or a bracket is missing, in 'instances' at 25"],
    ['pair', '{"instances":[{"a":[1,2],"b":9223372036854775808}]}', 'element 0 of INT64 must be an integer'],
  ])('%s %s', async (model, body, message) => {
    const [status, text] = await predict(model, body);
    expect([status, JSON.parse(text as string)]).toEqual([400, { error: expect.stringContaining(message) }]);
  });

  test('unknown models are 404, values that the model refuses 422', async () => {
    expect((await predict('nosuch', '{"instances":[1]}'))[0]).toBe(404);
    expect((await predict('lookup', '{"instances":[9]}'))[0]).toBe(422);
    expect((await predict('broken', '{"instances":[9]}'))[0]).toBe(503);
  });
});

test('a large body is decoded to the same answer beside the event loop', async () => {
  const row = '{"a":[0.5,1],"b":1}';
  const [status, body] = await predict('pair', `{"instances":[${Array(20_000).fill(row).join()}]}`);
  expect(status).toBe(200);
  expect(body).toBe(`{"predictions":[${Array(20_000).fill('{"p":[0.5,1.0],"q":1}').join()}]}`);
  const [refused, text] = await predict('pair', `{"instances":[${Array(20_000).fill(row).join()},{"a":1}]}`);
  expect([refused, JSON.parse(text as string).error]).toEqual([
    400,
    expect.stringContaining("instances[20000] lacks 'b'"),
  ]);
});

describe('which version', () => {
  test('is named by its number or by a label, and is else the newest', async () => {
    const body = '{"instances":[[1,2]]}';
    expect(await send('/v1/models/double:predict', body)).toEqual([200, '{"predictions":[[0.0,0.0]]}']);
    expect(await send('/v1/models/double/versions/1:predict', body)).toEqual([200, '{"predictions":[[2.0,4.0]]}']);
    expect(await send('/v1/models/double/labels/stable:predict', body)).toEqual([200, '{"predictions":[[2.0,4.0]]}']);
    expect((await send('/v1/models/double/labels/canary:predict', body))[0]).toBe(404);
  });

  test('has a state in the words of TensorFlow Serving', async () => {
    const available = (version: string) => ({
      version,
      state: 'AVAILABLE',
      status: { error_code: 'OK', error_message: '' },
    });
    expect((await get('/v1/models/double')).body).toEqual({ model_version_status: [available('1'), available('3')] });
    expect((await get('/v1/models/double/versions/3')).body).toEqual({ model_version_status: [available('3')] });
    expect((await get('/v1/models/double/labels/stable')).body).toEqual({ model_version_status: [available('1')] });
    expect((await get('/v1/models/broken')).body.model_version_status[0]).toMatchObject({
      state: 'END',
      status: { error_code: 'UNAVAILABLE', error_message: expect.any(String) },
    });
    expect((await get('/v1/models/double/versions/2')).status).toBe(404);
    expect((await get('/v1/models/nosuch')).status).toBe(404);
    expect((await get('/v1/models')).body.models).toContain('pair');
  });

  test('has a signature', async () => {
    const { body } = await get('/v1/models/pair/metadata');
    expect(body.model_spec).toEqual({ name: 'pair', signature_name: '', version: '1' });
    const { inputs, outputs } = body.metadata.signature_def.signature_def.serving_default;
    expect(inputs.a).toEqual({
      name: 'a',
      dtype: 'DT_FLOAT',
      tensor_shape: {
        dim: [
          { size: '-1', name: '' },
          { size: '2', name: '' },
        ],
        unknown_rank: false,
      },
    });
    expect(outputs.q.dtype).toBe('DT_INT64');
  });
});

test('other verbs and methods are refused with the way to go', async () => {
  expect(await send('/v1/models/double:classify', '{}')).toEqual([400, expect.stringContaining("Use ':predict'")]);
  expect((await send('/v1/models/double/versions/1:regress', '{}'))[0]).toBe(400);
  for (const url of ['/v1/models/double:generate', '/v1/models/double%3Agenerate']) {
    expect(await send(url, '{}')).toEqual([404, expect.stringContaining('there is no such route')]);
    expect((await get(url)).status).toBe(404);
  }
  expect(await get('/v1/models/double:predict')).toMatchObject({ status: 405, headers: { allow: 'POST' } });
  expect(await get('/v1/models/double/labels/stable:predict')).toMatchObject({
    status: 405,
    headers: { allow: 'POST' },
  });
  const posted = await server.app.inject({ method: 'POST', url: '/v1/models/double' });
  expect([posted.statusCode, posted.headers.allow]).toEqual([405, 'GET']);
});
