import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SERVER_EXTENSIONS } from '../../src/http/routes/metadata.ts';
import { doubling, identity, repositoryOf } from '../fixtures/models.ts';
import { type JsonInput, serverOf, x } from '../fixtures/server.ts';

const repository = repositoryOf({
  'double/1/model.onnx': doubling(),
  'double/3/model.onnx': doubling(),
  'double/config.yaml': 'versions: all',
  'double/labels.txt': 'one\ntwo\n',
  'odd name.v1/model.onnx': identity('int64'),
});
const lines: string[] = [];
let server: Awaited<ReturnType<typeof serverOf>>;

beforeAll(async () => {
  server = await serverOf(repository.path, { maxBodyBytes: 10_000 }, lines);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const get = async (url: string) => {
  const { statusCode, body, headers } = await server.app.inject(url);
  return { status: statusCode, body: body && JSON.parse(body), headers };
};
const row = [x('FP32', [1, 2], [1, 2])];

describe('health and metadata', () => {
  test('live, ready and model ready say so in the words that clients read', async () => {
    expect((await get('/v2/health/live')).body).toEqual({ live: true });
    expect((await get('/v2/health/ready')).body).toEqual({ ready: true });
    expect((await get('/v2/models/double/ready?x=1')).body).toEqual({ name: 'double', ready: true });
    expect((await get('/v2/models/double/versions/1/ready')).body).toEqual({ name: 'double', ready: true });
  });

  test('the server and its models describe themselves', async () => {
    expect((await get('/v2')).body).toEqual({ name: 'ortlet', version: '0.1.0', extensions: SERVER_EXTENSIONS });
    expect((await get('/v2/')).body.name).toBe('ortlet');
    expect((await get('/v2/models')).body).toEqual({ models: ['double', 'odd name.v1'] });
    expect((await get('/v2/models/double')).body).toMatchObject({
      name: 'double',
      versions: ['1', '3'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
      parameters: { batching: 'up to 32 rows', execution_provider: 'cpu', instances: 1 },
    });
    expect((await get('/v2/models/double/versions/1')).body.versions).toEqual(['1']);
    expect((await get('/v2/models/odd%20name.v1')).body.name).toBe('odd name.v1');
  });

  test('the index has one entry a version', async () => {
    const { body } = await server.app.inject({ method: 'POST', url: '/v2/repository/index' });
    expect(JSON.parse(body)).toEqual([
      { name: 'double', version: '1', state: 'READY', reason: '' },
      { name: 'double', version: '3', state: 'READY', reason: '' },
      { name: 'odd name.v1', version: '1', state: 'READY', reason: '' },
    ]);
    const wrong = await server.app.inject({ method: 'POST', url: '/v2/repository/index', payload: '{"ready":1}' });
    expect([wrong.statusCode, wrong.json().error]).toEqual([
      400,
      "Invalid value for 'ready': expected boolean, received number",
    ]);
  });
});

type Refused = NonNullable<Parameters<typeof server.infer>[2]> & { inputs?: readonly JsonInput[] };

describe('configuration and statistics', () => {
  test('the effective configuration comes in the shape of a Triton configuration, with the reasons', async () => {
    const { body } = await get('/v2/models/double/config');
    expect(body).toMatchObject({
      name: 'double',
      backend: 'onnxruntime',
      max_batch_size: 32,
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [2] }],
      output: [{ name: 'y', data_type: 'TYPE_FP32', dims: [2] }],
      version_policy: { all: {} },
      instance_group: [{ name: 'double', kind: 'KIND_CPU', count: 1 }],
      dynamic_batching: {},
    });
    expect(body.parameters.batching_reason.string_value).toContain('rows run together');
    expect(body.parameters).toMatchObject({
      batch_curve_ms: { string_value: expect.stringMatching(/^1: [0-9.e-]+(, [0-9]+: [0-9.e-]+)*$/) },
      batch_curve_source: { string_value: 'measured at load' },
      batch_knee: { string_value: expect.stringMatching(/^(1|2|4|8|16|32)$/) },
    });
    expect((await get('/v2/models/double/versions/9/config')).status).toBe(404);
  });

  test('statistics count requests, rows and runs, and have every member that clients index', async () => {
    const statistics = async () => (await get('/v2/models/double/versions/1/stats')).body.model_stats[0];
    const before = await statistics();
    const twoRows = [x('FP32', [2, 2], [1, 2, 3, 4])];
    await server.infer('double', twoRows, { version: '1' });
    await server.infer('double', [], { version: '1' });
    const after = await statistics();
    expect(after.inference_count - before.inference_count).toBe(2);
    expect(after.execution_count - before.execution_count).toBe(1);
    expect(after.inference_stats.success.count - before.inference_stats.success.count).toBe(1);
    expect(after.inference_stats.fail.count - before.inference_stats.fail.count).toBe(1);
    for (const member of Object.values(after.inference_stats)) {
      expect(member).toEqual({ count: expect.any(Number), ns: expect.any(Number) });
    }
    expect(after.batch_stats.at(-1)).toMatchObject({ batch_size: 2, compute_infer: { count: 1 } });
    expect(after.last_inference).toBeGreaterThan(1.7e12);
    expect((await get('/v2/models/stats')).body.model_stats).toHaveLength(3);
    expect((await get('/v2/models/double/stats')).body.model_stats).toHaveLength(2);
    expect((await get('/v2/models/nosuch/stats')).status).toBe(404);
  });
});

test('shared memory has a status, and nothing can be registered', async () => {
  expect((await get('/v2/systemsharedmemory/status')).body).toEqual([]);
  expect((await get('/v2/cudasharedmemory/region/r/status')).body).toEqual([]);
  const register = await server.app.inject({
    method: 'POST',
    url: '/v2/systemsharedmemory/region/r/register',
    payload: '{}',
  });
  expect([register.statusCode, register.json().error]).toEqual([400, expect.stringContaining('not offered')]);
});

describe('inference', () => {
  test('the newest version answers unless one is named', async () => {
    expect((await server.infer('double', row)).body.model_version).toBe('3');
    expect((await server.infer('double', row, { version: '1' })).body.model_version).toBe('1');
  });

  test('the Content-Type of a request does not matter', async () => {
    for (const type of [
      undefined,
      'application/x-www-form-urlencoded',
      'application/octet-stream',
      'text/plain; charset=x',
    ]) {
      const { status } = await server.infer('double', row, { headers: type ? { 'content-type': type } : {} });
      expect(status).toBe(200);
    }
  });

  test('binary in, binary out, mixed with JSON', async () => {
    const json = JSON.stringify({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } }],
      outputs: [{ name: 'y', parameters: { binary_data: true } }],
    });
    const payload = Buffer.concat([Buffer.from(json), Buffer.from(Float32Array.of(1.5, -2).buffer)]);
    const headers = { 'Inference-Header-Content-Length': String(json.length) };
    const response = await server.app.inject({ method: 'POST', url: '/v2/models/double/infer', payload, headers });
    const length = Number(response.headers['inference-header-content-length']);
    expect(JSON.parse(response.rawPayload.subarray(0, length).toString()).outputs).toEqual([
      { name: 'y', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } },
    ]);
    expect([response.rawPayload.readFloatLE(length), response.rawPayload.readFloatLE(length + 4)]).toEqual([3, -4]);
    expect(response.headers['content-type']).toBe('application/octet-stream');
  });

  test('a raw body is the one input, when its shape can be deduced', async () => {
    const raw = (model: string, payload: Buffer) =>
      server.app.inject({
        method: 'POST',
        url: `/v2/models/${model}/infer`,
        payload,
        headers: { 'Inference-Header-Content-Length': '0' },
      });
    const response = await raw('double', Buffer.from(Float32Array.of(1, 2, 3, 4).buffer));
    const length = Number(response.headers['inference-header-content-length']);
    expect(JSON.parse(response.rawPayload.subarray(0, length).toString()).outputs[0].shape).toEqual([2, 2]);
    expect(response.rawPayload.readFloatLE(length + 12)).toBe(8);
    expect((await raw('double', Buffer.alloc(7))).json().error).toContain('input byte size mismatch');
  });

  test('classification gives the highest classes, with labels from labels.txt', async () => {
    const { body } = await server.infer('double', row, { outputs: [{ name: 'y', parameters: { classification: 1 } }] });
    expect(body.outputs).toEqual([{ name: 'y', datatype: 'BYTES', shape: [1, 1], data: ['4.000000:1:two'] }]);
    const refused = await server.infer('double', row, { outputs: [{ name: 'y', parameters: { classification: 0 } }] });
    expect(refused.status).toBe(400);
  });

  test.each<[string, Refused, number, string]>([
    ['nosuch', {}, 404, "Request for unknown model: 'nosuch' is not found"],
    ['double', { version: '9' }, 404, "'double' version 9 is not found"],
    [
      'double',
      { inputs: [x('FP64', [1, 2], [1, 2])] },
      400,
      "inference input 'x' data-type is 'FP64', but model 'double' expects 'FP32'",
    ],
    [
      'double',
      { inputs: [x('FP32', [1, 3], [1, 2, 3])] },
      400,
      "unexpected shape for input 'x' for model 'double'. Expected [-1,2], got [1,3]",
    ],
    ['double', { inputs: [x('FP32', [2], [1, 2])] }, 400, 'The first dimension counts rows: send [1,2]'],
    [
      'double',
      { inputs: [{ ...x('FP32', [1, 2], [1, 2]), name: 'z' }] },
      400,
      "unexpected inference input 'z' for model 'double'. Its inputs are 'x'.",
    ],
    ['double', { inputs: [] }, 400, "missing required input(s) ['x']"],
    [
      'double',
      { outputs: [{ name: 'z' }] },
      400,
      "unexpected inference output 'z' for model 'double'. Its outputs are 'y'.",
    ],
    [
      'double',
      { headers: { 'inference-header-content-length': '99999' } },
      400,
      'Inference-Header-Content-Length must be',
    ],
    [
      'double',
      { inputs: [x('FP32', [4000, 2], Array(8000).fill(0))] },
      413,
      'exceeds the maximum allowed size of 10000 bytes (maxBodyBytes)',
    ],
    [
      'double',
      { inputs: [x('FP32', [1500, 2], Array(3000).fill(0))] },
      413,
      'The tensors take 12000 bytes, which exceeds the maximum allowed size of 10000 bytes (maxBodyBytes)',
    ],
  ])('%s %j is refused: %i %s', async (model, { inputs = row, ...more }, status, message) => {
    const answer = await server.infer(model, inputs, more);
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({ error: expect.stringContaining(message) });
  });
});

describe('the edge', () => {
  test('unknown paths and wrong methods are JSON errors that name the way', async () => {
    expect(await get('/v3')).toMatchObject({ status: 404, body: { error: expect.stringContaining('Not Found') } });
    const wrong = await get('/v2/models/double/infer');
    expect(wrong).toMatchObject({
      status: 405,
      headers: { allow: 'POST' },
      body: { error: 'Method Not Allowed: use POST here.' },
    });
    expect(await get('/v2/models/%ff')).toMatchObject({ status: 400, body: { error: expect.any(String) } });
  });

  test('a wrong method is told so whatever else is wrong with the request', async () => {
    const path = '/v2/models/double';
    const query = await server.app.inject({ method: 'QUERY', url: path });
    expect([query.statusCode, query.headers.allow]).toEqual([405, 'GET']);
    const typed = await server.app.inject({
      method: 'POST',
      url: path,
      headers: { 'content-type': 'x' },
      payload: '{',
    });
    expect([typed.statusCode, typed.headers.allow]).toEqual([405, 'GET']);
  });

  test('JSON has no charset: KServe reads an error only where the type is exactly this', async () => {
    for (const url of ['/v2', '/v2/models/nosuch', '/v3']) {
      expect((await get(url)).headers['content-type']).toBe('application/json');
    }
  });

  test('a refusal leaves the connection open where no body is left on it', async () => {
    const { hostname, port } = new URL(await server.app.listen({ port: 0 }));
    const socket = connect(Number(port), hostname);
    for (let i = 0; i < 2; i++) {
      socket.write('GET /v2/models/nosuch/ready HTTP/1.1\r\nHost: localhost\r\n\r\n');
      const [answer] = await once(socket, 'data');
      expect(String(answer)).toMatch(/^HTTP\/1\.1 404/);
      expect(String(answer)).not.toMatch(/connection: close/i);
    }
    socket.destroy();
  });

  test('loading and unloading are refused unless the operator allows them', async () => {
    const response = await server.app.inject({ method: 'POST', url: '/v2/repository/models/double/unload' });
    expect([response.statusCode, response.json().error]).toEqual([403, expect.stringContaining('modelControl')]);
    const logging = await server.app.inject({ method: 'POST', url: '/v2/logging', payload: '{"log_info":false}' });
    expect([logging.statusCode, (await get('/v2/logging')).body.log_info]).toEqual([403, true]);
  });

  test('a request id comes back, and the log names it without the body', async () => {
    const { headers } = await server.infer('nosuch', [x('FP32', [1, 2], [123.456, 2])], {
      headers: { 'x-request-id': 'abc-123' },
    });
    expect(headers['x-request-id']).toBe('abc-123');
    const line = lines.map((text) => JSON.parse(text)).find(({ requestId }) => requestId === 'abc-123');
    expect(line).toMatchObject({ level: 'info', code: 'MODEL_NOT_FOUND', status: 404 });
    expect(lines.join('')).not.toContain('123.456');
    const injected = await server.infer('nosuch', row, { headers: { 'x-request-id': 'a b' } });
    expect(injected.headers['x-request-id']).not.toBe('a b');
  });

  test('names that clients invent make no new metrics', async () => {
    const series = async () =>
      (await server.app.inject('/metrics')).body.split('\n').filter((line) => line.startsWith('ortlet_')).length;
    await server.infer('invented-0', row);
    const before = await series();
    for (let i = 0; i < 20; i++) await server.infer(`invented-${i}`, row);
    expect(await series()).toBe(before);
  });

  test('the document has an operation for each loaded model, whose sample body works when sent', async () => {
    const { paths } = (await get('/openapi.json')).body;
    for (const path of ['/v2/models/double/versions/3/infer', '/v2/models/odd%20name.v1/versions/1/infer']) {
      const { post } = paths[path];
      const { example } = post.requestBody.content['application/json'];
      const { statusCode } = await server.app.inject({ method: 'POST', url: path, payload: JSON.stringify(example) });
      expect(statusCode).toBe(200);
      expect(post.description).toContain('`x`');
    }
    expect((await server.app.inject('/docs')).statusCode).toBe(200);
    expect(Object.keys(JSON.parse((await server.app.inject('/docs/json')).body).paths)).toContain(
      '/v2/models/double/versions/3/infer',
    );
  });
});
