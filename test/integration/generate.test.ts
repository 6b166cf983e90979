import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { identity, pair, repositoryOf } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';

const repository = repositoryOf({
  'text/model.onnx': identity('string', ['batch']),
  'texts/model.onnx': identity('string', ['batch', 'words']),
  'pair/model.onnx': pair(),
  'fixed/model.onnx': identity('float', ['batch', 2, 'steps']),
});
let server: Awaited<ReturnType<typeof serverOf>>;
let shipped: Awaited<ReturnType<typeof serverOf>>;

beforeAll(async () => {
  server = await serverOf(repository.path);
  shipped = await serverOf('models/spam-text/model.onnx');
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await shipped[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const generate = async (model: string, payload: string | Buffer, { verb = 'generate', headers = {} } = {}) => {
  const response = await server.app.inject({ method: 'POST', url: `/v2/models/${model}/${verb}`, payload, headers });
  return { status: response.statusCode, body: response.body, headers: response.headers };
};
const answers = async (model: string, payload: string) => {
  const { status, body } = await generate(model, payload);
  return [status, JSON.parse(body)];
};
const about = (model: string) => ({ model_name: model, model_version: '1' });

test('a key that names an input becomes it, single elements come bare, and the id comes back', async () => {
  expect(await generate('text', '{"x":"hello","id":"7","temperature":0.5,"stop":["a"]}')).toMatchObject({
    status: 200,
    body: '{"id":"7","model_name":"text","model_version":"1","y":"hello"}',
    headers: { 'content-type': 'application/json', 'ortlet-model-version': '1' },
  });
  expect(await answers('text/versions/1', '{"x":["a","b"]}')).toEqual([200, { ...about('text'), y: ['a', 'b'] }]);
  expect(await answers('pair', '{"a":[1,2],"parameters":{"b":9007199254740992}}')).toEqual([
    200,
    { ...about('pair'), p: [1, 2], q: 9007199254740992 },
  ]);
});

test('text_input stands for the one text input, and is answered by text_output', async () => {
  expect(await answers('text', '{"text_input":"hello"}')).toEqual([200, { ...about('text'), text_output: 'hello' }]);
  const { statusCode, body } = await shipped.app.inject({
    method: 'POST',
    url: '/v2/models/spam-text/generate',
    payload: '{"text_input":"FREE MONEY!!! Click here now, winner!"}',
  });
  expect([statusCode, JSON.parse(body)]).toMatchObject([
    200,
    { text_output: 'spam', probabilities: [{}, {}].map(() => expect.any(Number)) },
  ]);
});

test('fixed dimensions are divided out, the innermost free one takes the rest', async () => {
  expect(await answers('fixed', '{"x":[1,2,3,4,5,6]}')).toEqual([200, { ...about('fixed'), y: [1, 2, 3, 4, 5, 6] }]);
  expect(await answers('texts', '{"x":["a","b","c"]}')).toEqual([200, { ...about('texts'), y: ['a', 'b', 'c'] }]);
  const response = await server.app.inject('/v2/models/stats');
  expect(response.json().model_stats.find(({ name }: { name: string }) => name === 'texts').inference_count).toBe(1);
});

describe('a stream', () => {
  test('is one event', async () => {
    expect(await generate('text', '{"x":"a\\nb"}', { verb: 'generate_stream' })).toMatchObject({
      status: 200,
      body: 'data: {"model_name":"text","model_version":"1","y":"a\\nb"}\n\n',
      headers: { 'content-type': 'text/event-stream; charset=utf-8' },
    });
  });

  test('that fails before its event is an ordinary error', async () => {
    const { status, body, headers } = await generate('text', '{}', { verb: 'generate_stream' });
    expect([status, headers['content-type']]).toEqual([400, expect.stringContaining('application/json')]);
    expect(JSON.parse(body).error).toContain("missing required input(s) ['x']");
  });
});

test('bodies are not packed, neither way', async () => {
  const long = JSON.stringify({ x: 'a'.repeat(5000) });
  const { status, headers } = await generate('text', long, { headers: { 'accept-encoding': 'gzip' } });
  expect([status, headers['content-encoding']]).toEqual([200, undefined]);
  const packed = await generate('text', long, { headers: { 'content-encoding': 'gzip' } });
  expect([packed.status, packed.body]).toEqual([400, expect.stringContaining("'gzip' is not taken here")]);
});

test.each([
  ['text', '{"x":["a",1]}', "Unable to parse 'x' of input 'x': element 1 of BYTES must be a string, got 1"],
  ['text', '{"x":[["a"],["b"]]}', "input 'x' must be a value or a flat array, got 2 dimensions"],
  ['text', '{"x":{"b64":"YQ=="}}', 'must be a string'],
  ['text', '{"x":"a","text_input":"b"}', "input 'x' already exists in request"],
  ['text', '{"x":"a","top":{"p":1}}', "Unable to parse 'top'"],
  ['text', '{"x":"a","triton_x":1}', "reserved for internal usage: 'triton_x'"],
  ['text', '{"x":"a","timeout":"soon"}', "parameter 'timeout' must be a number of microseconds"],
  ['text', '{"x":"a","id":1}', "Unable to parse 'id'"],
  ['text', '[]', "Unable to parse 'request'"],
  ['fixed', '{"x":[1,2,3]}', "input 'x' has 3 elements, which do not fill its shape [-1,2,-1]"],
  ['pair', '{"text_input":"a"}', "missing required input(s) ['a', 'b']"],
])('%s %s is refused', async (model, body, message) => {
  expect(await answers(model, body)).toEqual([400, { error: expect.stringContaining(message) }]);
});

test('a large body is decoded to the same answer beside the event loop', async () => {
  const words = Array.from({ length: 40_000 }, (_, i) => `word ${i}`);
  const [status, body] = await answers('texts', JSON.stringify({ text_input: words }));
  expect([status, body.text_output]).toEqual([200, words]);
});
