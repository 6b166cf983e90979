// What arrives below HTTP's good manners, written to a real socket byte by byte.

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { doubling, repositoryOf } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';

const repository = repositoryOf({ 'm.onnx': doubling() });
const server = await serverOf(repository.path);
let address: URL;

beforeAll(async () => {
  address = new URL(await server.app.listen({ port: 0 }));
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const HOST = 'Host: localhost\r\n';
const LIVE = `GET /v2/health/live HTTP/1.1\r\n${HOST}\r\n`;
const POST = 'POST /v2/models/m/infer HTTP/1.1\r\n';
const headers = (count: number) => Array.from({ length: count }, (_, i) => `a${i}: 1\r\n`).join('');

/** All that comes back until the server closes the connection. */
async function answerTo(sent: string): Promise<string> {
  const socket = connect(Number(address.port), address.hostname);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  socket.write(sent);
  await once(socket, 'close');
  return answer;
}

// Behind each of these stands a second request, which a proxy in front could have taken for a part of the first.
test.each([
  ['a length and chunks', `${POST}${HOST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['two lengths', `${POST}${HOST}Content-Length: 0\r\nContent-Length: 4\r\n\r\n`],
  ['two lengths in one header', `${POST}${HOST}Content-Length: 0, 4\r\n\r\n`],
  ['a length with a sign', `${POST}${HOST}Content-Length: +0\r\n\r\n`],
  ['an unknown transfer encoding', `${POST}${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
  ['chunks that are not the last encoding', `${POST}${HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
  ['a folded header', `${POST}${HOST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
  ['a space before the colon', `${POST}${HOST}Content-Length : 0\r\n\r\n`],
  ['bare line feeds', `${POST.replace('\r', '')}Host: localhost\nContent-Length: 0\n\n`],
  ['a chunk size that is none', `${POST}${HOST}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n`],
  ['a chunk size past all numbers', `${POST}${HOST}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n`],
  ['two hosts', `${POST}${HOST}Host: elsewhere\r\nContent-Length: 0\r\n\r\n`],
  ['the same host twice', `${POST}${HOST}hOST: localhost\r\nContent-Length: 0\r\n\r\n`],
  ['no host', `${POST}Content-Length: 0\r\n\r\n`],
])('a request with %s is answered with 400 and ends its connection', async (_name, request) => {
  const answer = await answerTo(request + LIVE);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
});

test.each([
  ['two hosts', LIVE.replace(HOST, HOST + HOST), '{"error":"2 Host headers: send one."}'],
  ['no host', LIVE.replace(HOST, ''), '{"error":"No Host headers: send one."}'],
  ['what is no HTTP', 'HELO\r\n\r\n', '{"error":"The request is not valid HTTP/1.1: '],
  [
    'a head that is too long',
    LIVE.replace(HOST, `${HOST}a: ${'x'.repeat(17_000)}\r\n`),
    '{"error":"The head of the request',
  ],
])('%s is refused in the words of every error, and told that the connection ends', async (_name, request, error) => {
  const answer = await answerTo(request);
  expect(answer).toContain(error);
  expect(answer).toMatch(/^connection: close\r$/im);
});

test('a request without a host is served where its HTTP had none yet', async () => {
  expect(await answerTo('GET /v2/health/live HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
});

test('an expectation that nobody knows is passed over', async () => {
  const answer = await answerTo(LIVE.replace(HOST, `${HOST}Expect: miracles\r\nConnection: close\r\n`));
  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
});

test.each([
  ['over 100 headers', headers(120)],
  ['over 16 KiB of headers', `a: ${'x'.repeat(17_000)}\r\n`],
])('%s are answered with 431', async (_name, more) => {
  expect(await answerTo(LIVE.replace(HOST, HOST + more))).toMatch(/^HTTP\/1\.1 431 /);
});

test('a usual number of headers is served', async () => {
  expect(await answerTo(LIVE.replace(HOST, `${HOST}Connection: close\r\n${headers(90)}`))).toMatch(/^HTTP\/1\.1 200 /);
});

test('a body in over 65,536 chunks is refused, whatever its length', async () => {
  const answer = await answerTo(`${POST}${HOST}Transfer-Encoding: chunked\r\n\r\n${'1\r\n \r\n'.repeat(70_000)}`);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  expect(answer).toContain('65536 chunks');
});

test('heads, requests and idle connections have limits on time, looked at every few seconds', () => {
  const { headersTimeout, requestTimeout, keepAliveTimeout, maxRequestsPerSocket } = server.app.server;
  expect({ headersTimeout, requestTimeout, keepAliveTimeout, maxRequestsPerSocket }).toEqual({
    headersTimeout: 20_000,
    requestTimeout: 120_000,
    keepAliveTimeout: 72_000,
    maxRequestsPerSocket: 0,
  });
});
