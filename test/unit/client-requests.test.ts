// What the client sends, waits for and gives up, against a server that does as it is told.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type ClientOptions, OrtletClient, OrtletError } from '../../src/client/client.ts';
import { until } from '../fixtures/server.ts';

type Reaction = (response: ServerResponse) => void;

const answer =
  (status: number, body: string, headers: Record<string, string> = {}): Reaction =>
  (response) =>
    response.writeHead(status, headers).end(body);
const ok = answer(200, '{"model_name":"m","model_version":"1","outputs":[]}');
const busy = (retryAfter: string) => answer(503, '{"error":"full"}', { 'retry-after': retryAfter });
const metadata = answer(200, '{"name":"m","inputs":[{"name":"x","datatype":"INT64","shape":[-1]}],"outputs":[]}');
/** Needs no metadata. */
const x = { x: { datatype: 'FP32', shape: [1], data: [1] } } as const;

const servers: AsyncDisposable[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

/** Reacts to each request with the next of `reactions`; the last one stays. */
async function stub(reactions: readonly Reaction[], options: Partial<ClientOptions> = {}, port = 0) {
  const requests: (Pick<IncomingMessage, 'method' | 'url' | 'headers'> & { body: Buffer })[] = [];
  let arrived = () => {};
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    requests.push({ method, url, headers, body: await buffer(request) });
    reactions[Math.min(requests.length, reactions.length) - 1]!(response);
    arrived();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  servers.push({ [Symbol.asyncDispose]: close });
  return { client: new OrtletClient({ url, ...options }), requests, arrival, close, url };
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: OrtletError) => error,
  );

describe('a 503 with Retry-After', () => {
  test('is waited for and sent again, the same body, until it is answered', async () => {
    const { client, requests } = await stub([busy('0'), busy('0'), ok]);
    expect(await client.infer('m', x)).toEqual({ model: 'm', version: '1', id: undefined, outputs: {} });
    expect(requests.map(({ body }) => body)).toEqual(Array(3).fill(requests[0]!.body));
  });

  test('is the error after as many retries as are allowed', async () => {
    const { client, requests } = await stub([busy('0')]);
    expect(await failure(client.infer('m', x))).toMatchObject({ status: 503, message: 'full', retryAfterMs: 0 });
    expect(requests).toHaveLength(3);
    const patient = await stub([busy('0')], { retries: 5 });
    await failure(patient.client.metadata('m'));
    expect(patient.requests).toHaveLength(6);
  });

  test('is the error at once when the wait would outlast the time limit', async () => {
    const { client, requests } = await stub([busy('3600')]);
    expect(await failure(client.infer('m', x))).toMatchObject({ status: 503, retryAfterMs: 3_600_000 });
    expect(requests).toHaveLength(1);
  });

  test('is waited for no longer when the caller ends the call', async () => {
    const { client, requests } = await stub([busy('3600')], { timeoutMs: Number.POSITIVE_INFINITY });
    const timers = vi.spyOn(globalThis, 'setTimeout');
    const controller = new AbortController();
    const failed = failure(client.infer('m', x, { signal: controller.signal }));
    await until(() => timers.mock.calls.some(([, ms]) => ms === 3_600_000));
    controller.abort('enough');
    expect(await failed).toBe('enough');
    expect(requests).toHaveLength(1);
  });
});

describe('nothing else is sent again', () => {
  test.each([
    ['a 503 without Retry-After', answer(503, '{"error":"down"}'), { status: 503, message: 'down' }],
    ['a 429', answer(429, '{"error":"slow"}', { 'retry-after': '0' }), { status: 429, retryAfterMs: 0 }],
    ['a 500', answer(500, '{"error":"defect"}', { 'retry-after': '0' }), { status: 500, message: 'defect' }],
    ['a page of a proxy', answer(502, '<html>'), { status: 502, message: 'HTTP 502 Bad Gateway' }],
    ['a connection that breaks', (response: ServerResponse) => response.destroy(), { status: undefined }],
    [
      'an answer that breaks off',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': '100' }).flushHeaders();
        response.destroy();
      },
      { status: undefined },
    ],
    ['a page instead of an answer', answer(200, '<html>'), { message: expect.stringContaining('no JSON') }],
    [
      'a binary answer without its header',
      answer(200, '{}', { 'content-type': 'application/octet-stream' }),
      { message: expect.stringContaining('Access-Control-Expose-Headers') },
    ],
  ])('%s', async (_, reaction, expected) => {
    const { client, requests } = await stub([reaction]);
    const error = await failure(client.infer('m', x));
    expect(error).toBeInstanceOf(OrtletError);
    expect(error).toMatchObject(expected);
    expect(requests).toHaveLength(1);
  });

  test('but what found no connection is', async () => {
    const { client, url, close } = await stub([]);
    await close();
    const { fetch } = globalThis;
    const late: Awaited<ReturnType<typeof stub>>[] = [];
    vi.spyOn(globalThis, 'fetch').mockImplementationOnce(async (...call) => {
      const refused = await fetch(...call).catch((error: unknown) => error);
      late.push(await stub([ok], {}, Number(new URL(url).port)));
      throw refused;
    });
    expect((await client.infer('m', x)).model).toBe('m');
    expect(late[0]!.requests).toHaveLength(1);
  });

  test('and only as often as is allowed', async () => {
    const { url, close } = await stub([]);
    await close();
    const client = new OrtletClient({ url, retries: 0 });
    const error = await failure(client.infer('m', x));
    expect(error).toMatchObject({ status: undefined, message: expect.stringMatching(/no answer from .*ECONNREFUSED/) });
  });
});

describe('the time limit', () => {
  test('is told to the server and kept without its help', async () => {
    const { client, requests } = await stub([() => {}], { timeoutMs: 12_345 });
    const error = await failure(client.infer('m', x, { timeoutMs: 1 }));
    expect(error).toMatchObject({ status: undefined, message: 'no answer within 1 ms (timeoutMs).' });
    expect(error).toBeInstanceOf(OrtletError);
    expect(requests[0]!.headers['x-request-timeout-ms']).toBe('1');
  });

  test('counts from the call, whatever is sent how often', async () => {
    const { client, requests } = await stub([metadata, busy('0'), ok], { timeoutMs: 100_000 });
    await client.infer('m', { x: [1] });
    const told = requests.slice(1).map(({ headers }) => Number(headers['x-request-timeout-ms']));
    expect(told[0]).toBeLessThanOrEqual(100_000);
    expect(told[1]).toBeLessThanOrEqual(told[0]!);
    expect(told[1]).toBeGreaterThan(1);
  });

  test('holds neither for loading nor for unloading, unless it is named', async () => {
    const { client, requests } = await stub([answer(200, '')], { timeoutMs: 1 });
    await client.load('m');
    await client.unload('m', { timeoutMs: 60_000 });
    expect(requests.map(({ headers }) => headers['x-request-timeout-ms'])).toEqual([undefined, expect.any(String)]);
  });

  test.each([0, -1, Number.NaN, 1e10])('of %d is refused', async (timeoutMs) => {
    const { client } = await stub([ok]);
    expect((await failure(client.infer('m', x, { timeoutMs }))).message).toContain('timeoutMs must be');
  });
});

test('a call that the caller ends rejects with the reason, and its connection is closed', async () => {
  let closed = () => {};
  const hungUp = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const { client, arrival } = await stub([(response) => void response.on('close', closed)]);
  const controller = new AbortController();
  const failed = failure(client.infer('m', x, { signal: controller.signal }));
  await arrival;
  controller.abort();
  expect(await failed).toMatchObject({ name: 'AbortError' });
  await hungUp;
  expect(await failure(client.infer('m', x, { signal: AbortSignal.abort('gone') }))).toBe('gone');
});

describe('metadata', () => {
  test('are asked for once, by calls at the same time too, and for each version', async () => {
    const { client, requests } = await stub([metadata, ok]);
    await Promise.all([client.infer('m', { x: [1] }), client.infer('m', { x: [2] })]);
    await client.infer('m', { x: [3] });
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'POST', 'POST', 'POST']);
    const versions = await stub([metadata, ok, metadata, ok]);
    await versions.client.infer('m', { x: [1] });
    await versions.client.infer('m', { x: [1] }, { version: '2' });
    expect(versions.requests.map(({ url }) => url)).toEqual([
      '/v2/models/m',
      '/v2/models/m/infer',
      '/v2/models/m/versions/2',
      '/v2/models/m/versions/2/infer',
    ]);
  });

  test('are asked for again after a refusal: the model may have changed', async () => {
    const refused = answer(400, '{"error":"inference input \'x\' data-type is \'INT64\'"}');
    const { client, requests } = await stub([metadata, refused, metadata, ok]);
    expect(await failure(client.infer('m', { x: [1] }))).toMatchObject({ status: 400 });
    await client.infer('m', { x: [1] });
    expect(requests.map(({ method }) => method)).toEqual(['GET', 'POST', 'GET', 'POST']);
  });

  test('that could not be had are asked for again', async () => {
    const { client } = await stub([answer(404, '{"error":"unknown"}'), metadata, ok]);
    expect(await failure(client.infer('m', { x: [1] }))).toMatchObject({ status: 404, message: 'unknown' });
    await client.infer('m', { x: [1] });
  });

  test('go on coming for others when one call is ended', async () => {
    const waiting: ServerResponse[] = [];
    const { client, arrival, requests } = await stub([(response) => void waiting.push(response), ok]);
    const controller = new AbortController();
    const ended = failure(client.infer('m', { x: [1] }, { signal: controller.signal }));
    const other = client.infer('m', { x: [2] });
    await arrival;
    controller.abort('enough');
    expect(await ended).toBe('enough');
    metadata(waiting[0]!);
    await other;
    expect(requests).toHaveLength(2);
  });

  test('name the inputs there are', async () => {
    const { client } = await stub([metadata]);
    expect((await failure(client.infer('m', { y: [1] }))).message).toBe(
      "model 'm' has no input 'y'. Its inputs are 'x'.",
    );
  });
});

describe('what is sent', () => {
  test('is binary by default, unpacked, with the headers of the client over its own', async () => {
    const { client, requests } = await stub([ok], { headers: { Authorization: 'Bearer t' } });
    await client.infer('a/b c', x, { id: 'i' });
    const { url, headers, body } = requests[0]!;
    expect(url).toBe('/v2/models/a%2Fb%20c/infer');
    expect(headers).toMatchObject({
      authorization: 'Bearer t',
      'accept-encoding': 'identity',
      'content-type': 'application/octet-stream',
    });
    const json = body.subarray(0, Number(headers['inference-header-content-length'])).toString();
    expect(JSON.parse(json)).toEqual({
      id: 'i',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } }],
      parameters: { binary_data_output: true },
    });
    const packed = await stub([ok], { headers: { 'Accept-Encoding': 'gzip' } });
    await packed.client.infer('m', x);
    expect(packed.requests[0]!.headers['accept-encoding']).toBe('gzip');
  });

  test('is JSON where that is wanted, by the client or by the call', async () => {
    const { client, requests } = await stub([ok]);
    await client.infer('m', x, { binary: false, outputs: ['y'] });
    expect(requests[0]!.headers['content-type']).toBe('application/json');
    expect(JSON.parse(requests[0]!.body.toString())).toEqual({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }],
      outputs: [{ name: 'y' }],
    });
  });
});

test.each([
  [200, true],
  [503, false],
  [404, undefined],
])('a health check answered %d means %s, and is not repeated', async (status, expected) => {
  const { client, requests } = await stub([answer(status, '{"error":"e"}', { 'retry-after': '0' })]);
  for (const check of [client.live(), client.ready(), client.ready('m'), client.ready('m', { version: '1' })]) {
    if (expected === undefined) expect(await failure(check)).toMatchObject({ status });
    else expect(await check).toBe(expected);
  }
  expect(requests.map(({ url }) => url).toSorted()).toEqual([
    '/v2/health/live',
    '/v2/health/ready',
    '/v2/models/m/ready',
    '/v2/models/m/versions/1/ready',
  ]);
});

test('a server that is not there is neither live nor ready', async () => {
  const { client, close } = await stub([]);
  await close();
  expect(await Promise.all([client.live(), client.ready()])).toEqual([false, false]);
});
