import { once } from 'node:events';
import { connect } from 'node:net';
import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { identity, repositoryOf } from '../fixtures/models.ts';
import { serverOf, x } from '../fixtures/server.ts';

const repository = repositoryOf({ 'm.onnx': identity('float', ['batch', 500]) });
let server: Awaited<ReturnType<typeof serverOf>>;
beforeAll(async () => {
  server = await serverOf(repository.path, { maxBodyBytes: 100_000 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const body = JSON.stringify({
  inputs: [
    x(
      'FP32',
      [1, 500],
      Array.from({ length: 500 }, (_, i) => i / 2),
    ),
  ],
});
const post = (payload: string | Buffer, headers: Record<string, string> = {}) =>
  server.app.inject({ method: 'POST', url: '/v2/models/m/infer', payload, headers });

test.each([
  ['gzip', gzipSync(body)],
  ['deflate', deflateSync(body)],
  ['identity', Buffer.from(body)],
])('a body in %s is understood', async (encoding, payload) => {
  expect((await post(payload, { 'content-encoding': encoding })).statusCode).toBe(200);
});

test.each([
  ['br', Buffer.from(body), 415, 'use gzip or deflate'],
  ['gzip, gzip', gzipSync(gzipSync(body)), 415, 'use gzip or deflate'],
  ['gzip', Buffer.from(body), 400, 'not valid gzip data'],
  ['gzip', gzipSync(body).subarray(0, 100), 400, 'not valid gzip data'],
  ['deflate', deflateRawSync(body), 400, 'not valid deflate data'],
  ['gzip', gzipSync(Buffer.alloc(1e8)), 413, 'maxBodyBytes'],
])('a body in %s that is wrong or too large is refused (%#)', async (encoding, payload, status, message) => {
  const response = await post(payload, { 'content-encoding': encoding });
  expect([response.statusCode, response.json().error]).toEqual([status, expect.stringContaining(message)]);
});

test('a refused encoding names those that are understood', async () => {
  expect((await post(body, { 'content-encoding': 'br' })).headers['accept-encoding']).toBe('gzip, deflate');
});

test('a chunked body is refused when it passes the limit, not when it ends, and its connection is closed', async () => {
  const address = new URL(await server.app.listen({ port: 0 }));
  const socket = connect(Number(address.port), address.hostname);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  socket.write('POST /v2/models/m/infer HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n');
  // The last chunk never comes.
  socket.write(`${(60_000).toString(16)}\r\n${'x'.repeat(60_000)}\r\n`.repeat(2));
  await closed;
  expect(answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*connection: close[\s\S]*maxBodyBytes/i);
});

test.each([
  ['gzip, deflate', 'gzip', gunzipSync],
  ['gzip;q=0.5, deflate', 'deflate', inflateSync],
  ['identity, gzip', undefined, (packed: Buffer) => packed],
  ['br', undefined, (packed: Buffer) => packed],
  ['gzip;q=0', undefined, (packed: Buffer) => packed],
])('Accept-Encoding: %s is answered in %s', async (accepted, encoding, unpack) => {
  const response = await post(body, { 'accept-encoding': accepted });
  expect(response.headers['content-encoding']).toBe(encoding);
  expect(JSON.parse(unpack(response.rawPayload).toString()).outputs[0].shape).toEqual([1, 500]);
});

test('errors and everything but inference stay as they are', async () => {
  const headers = { 'accept-encoding': 'gzip' };
  const wrong = await post(`{"inputs":[],"padding":"${'x'.repeat(5000)}"}`, headers);
  expect([wrong.statusCode, wrong.headers['content-encoding']]).toEqual([400, undefined]);
  const metadata = await server.app.inject({ url: '/openapi.json', headers });
  expect(metadata.headers['content-encoding']).toBeUndefined();
});
