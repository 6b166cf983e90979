import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { doubling, identity, repositoryOf } from '../fixtures/models.ts';
import { serverOf, x } from '../fixtures/server.ts';

const one = repositoryOf({ 'double/model.onnx': doubling() });
const several = repositoryOf({ 'double/model.onnx': doubling(), 'same/model.onnx': identity('float') });
const broken = repositoryOf({ 'broken/model.onnx': 'no model' });
const ROUTES = {
  sageMaker: true,
  vertex: true,
  vertexHealthRoute: '/v1/endpoints/1/deployedModels/2',
  vertexPredictRoute: '/v1/endpoints/1/deployedModels/2:predict',
};
let alone: Awaited<ReturnType<typeof serverOf>>;
let choosing: Awaited<ReturnType<typeof serverOf>>;
let named: Awaited<ReturnType<typeof serverOf>>;

beforeAll(async () => {
  alone = await serverOf(one.path, ROUTES);
  choosing = await serverOf(several.path, ROUTES);
  named = await serverOf(several.path, { ...ROUTES, defaultModel: 'same' });
});
afterAll(async () => {
  for (const server of [alone, choosing, named]) await server[Symbol.asyncDispose]();
  for (const repository of [one, several, broken]) repository[Symbol.dispose]();
});

const post = async (server: typeof alone, url: string, payload: string | Buffer, headers = {}) => {
  const {
    statusCode,
    body,
    headers: answered,
    rawPayload,
  } = await server.app.inject({ method: 'POST', url, payload, headers });
  return { status: statusCode, body, headers: answered, bytes: rawPayload };
};
const invoke = (server: typeof alone, payload: string | Buffer, headers = {}) =>
  post(server, '/invocations', payload, headers);
const rows = '{"instances":[[1,2]]}';
const request = JSON.stringify({ inputs: [x('FP32', [1, 2], [1, 2])] });

describe('SageMaker', () => {
  test('asks /ping, which is 503 until every model is ready', async () => {
    expect((await alone.app.inject('/ping')).statusCode).toBe(200);
    await using server = await serverOf(broken.path, ROUTES);
    const { statusCode, body } = await server.app.inject('/ping');
    expect([statusCode, JSON.parse(body).error]).toEqual([503, expect.stringContaining("model 'broken'")]);
  });

  test('sends inference requests and rows to the one model', async () => {
    expect(JSON.parse((await invoke(alone, request)).body)).toMatchObject({
      model_name: 'double',
      outputs: [{ data: [2, 4] }],
    });
    expect((await invoke(alone, rows)).body).toBe('{"predictions":[[2.0,4.0]]}');
    expect(JSON.parse((await invoke(alone, '{"instances":')).body).error).toContain('failed to parse the request JSON');
  });

  test('sends binary tensors with the length of the JSON in the Content-Type, and gets them back so', async () => {
    const type = 'application/vnd.sagemaker-triton.binary+json;json-header-size=';
    const tensor = { name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } };
    const json = Buffer.from(JSON.stringify({ inputs: [tensor], parameters: { binary_data_output: true } }));
    const body = Buffer.concat([json, Buffer.from(Float32Array.of(1, 2).buffer)]);
    const { status, headers, bytes } = await invoke(alone, body, { 'content-type': `${type}${json.length}` });
    const length = Number(String(headers['content-type']).slice(type.length));
    expect([status, headers['content-type']]).toEqual([200, `${type}${length}`]);
    expect(JSON.parse(bytes.subarray(0, length).toString()).model_name).toBe('double');
    expect([bytes.readFloatLE(length), bytes.readFloatLE(length + 4)]).toEqual([2, 4]);
    const damaged = await invoke(alone, body, { 'content-type': `${type}x` });
    expect(damaged.status).toBe(400);
  });

  test('large bodies of both kinds are decoded beside the event loop', async () => {
    const many = Array<string>(30_000).fill('[1.25,2.5]').join();
    expect((await invoke(alone, `{"instances":[${many}]}`)).status).toBe(200);
    const input = `{"name":"x","datatype":"FP32","shape":[30000,2],"data":[${many}]}`;
    expect(JSON.parse((await invoke(alone, `{"inputs":[${input}]}`)).body).outputs[0].shape).toEqual([30_000, 2]);
  });

  test('several models are told apart by a header or a setting, else the message says how', async () => {
    const header = { 'X-Amzn-SageMaker-Target-Model': 'double.tar.gz' };
    expect((await invoke(choosing, rows, header)).body).toBe('{"predictions":[[2.0,4.0]]}');
    expect((await invoke(named, rows)).body).toBe('{"predictions":[[1.0,2.0]]}');
    expect((await invoke(named, rows, header)).body).toBe('{"predictions":[[2.0,4.0]]}');
    const { status, body } = await invoke(choosing, rows);
    expect([status, JSON.parse(body).error]).toEqual([
      400,
      'this route does not say which of the models is meant (double, same): ' +
        "name it in the header X-Amzn-SageMaker-Target-Model, or have the operator set 'defaultModel'",
    ]);
    expect((await invoke(choosing, rows, { 'X-Amzn-SageMaker-Target-Model': 'nosuch' })).status).toBe(404);
  });
});

describe('Vertex AI', () => {
  test('has its routes where it wants them, a colon included', async () => {
    expect((await alone.app.inject(ROUTES.vertexHealthRoute)).statusCode).toBe(200);
    const { status, body } = await post(alone, ROUTES.vertexPredictRoute, '{"instances":[[1,2]],"parameters":{"k":1}}');
    expect([status, body]).toEqual([200, '{"predictions":[[2.0,4.0]]}']);
    expect((await post(named, ROUTES.vertexPredictRoute, rows)).body).toBe('{"predictions":[[1.0,2.0]]}');
    expect((await post(choosing, ROUTES.vertexPredictRoute, rows)).status).toBe(400);
    expect((await alone.app.inject(ROUTES.vertexPredictRoute)).headers.allow).toBe('POST');
  });
});

test('a health route that is there for everyone is left as it is', async () => {
  await using server = await serverOf(one.path, { vertex: true, vertexHealthRoute: '/v2/health/ready' });
  expect((await server.app.inject('/v2/health/ready')).json()).toEqual({ ready: true });
});

test('without the settings there are no such routes', async () => {
  await using server = await serverOf(one.path);
  for (const url of ['/ping', '/health']) expect((await server.app.inject(url)).statusCode).toBe(404);
  for (const url of ['/invocations', '/predict']) expect((await post(server, url, rows)).status).toBe(404);
});
