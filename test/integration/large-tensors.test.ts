// Large binary tensors through a server with a port: how they are read, run together and sent.

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readBody } from '../../src/http/body.ts';
import { PlainConnections } from '../../src/http/plain-connections.ts';
import type { PausedBody } from '../../src/http/reading-turns.ts';
import { Transfers } from '../../src/http/transfers.ts';
import { identity, repositoryOf } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';

const NUMBERS = 80_000;
const PART_BYTES = 64 * 1024;
const repository = repositoryOf({ 'wide.onnx': identity('float', ['batch', NUMBERS]) });
let server: Awaited<ReturnType<typeof serverOf>>;
let url: string;
beforeAll(async () => {
  server = await serverOf(repository.path, { port: 0, threads: 1, instances: 1 });
  url = `${await server.app.listen({ port: 0, host: '127.0.0.1' })}/v2/models/wide/infer`;
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

/** Sends numbers. @returns whether they came back, and how the answer was packed */
async function echo(first: number, encoding = 'identity') {
  const data = Float32Array.from({ length: NUMBERS }, (_, i) => first + i);
  const bytes = Buffer.from(data.buffer);
  const input = { name: 'x', datatype: 'FP32', shape: [1, NUMBERS], parameters: { binary_data_size: bytes.length } };
  const json = Buffer.from(JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }));
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'inference-header-content-length': String(json.length), 'accept-encoding': encoding },
    body: Buffer.concat([json, bytes]),
  });
  const headerLength = Number(response.headers.get('inference-header-content-length'));
  const body = Buffer.from(await response.arrayBuffer()).subarray(headerLength);
  return { same: body.equals(bytes), packed: response.headers.get('content-encoding') };
}

test('many at once each get their own rows, again and again', async () => {
  for (let round = 0; round < 5; round++) {
    const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => echo(1000 * round + i)));
    expect(answers.every(({ same }) => same)).toBe(true);
  }
});

test('a large answer is packed where the client asks for it', async () => {
  expect(await echo(7, 'gzip')).toMatchObject({ same: true, packed: 'gzip' });
});

test.each([
  ['that node:http has had from the start', false],
  ['that node:http was handed', true],
])('on a connection %s, the first part alone of a large body is read until its turn comes', async (_, handed) => {
  const transfers = new Transfers(1e9, () => 0);
  const paused: PausedBody[] = [];
  const took = (_bytes: number, _isFirst: boolean, body: PausedBody) => {
    body.pause();
    paused.push(body);
  };
  Object.assign(transfers.turns, { took });
  const limits = { maxBytes: 1e9, transfers, memory: (bytes: number) => new ArrayBuffer(bytes) };
  const read = Promise.withResolvers<Buffer>();
  let request: IncomingMessage | undefined;
  const http = createServer({ highWaterMark: PART_BYTES / 2 }, async (message) => {
    request = message;
    await nextTurn();
    read.resolve(await readBody(message, limits));
  });
  const never = () => Promise.reject(new Error('not plain'));
  const options = { handle: never, draining: () => false, maxBodyBytes: 0, now: () => 0 };
  const plain = handed ? new PlainConnections(http, options) : undefined;
  await once(http.listen(0, '127.0.0.1'), 'listening');
  const client = connect((http.address() as AddressInfo).port, '127.0.0.1');
  const body = Buffer.from(Array.from({ length: 16 * PART_BYTES }, (_, i) => i % 251));
  client.write(`POST / HTTP/1.1\r\nHost: here\r\nContent-Length: ${body.length}\r\n\r\n`);
  client.write(body);
  let parts = 0;
  const over = read.promise.then(() => true);
  while (!(await Promise.race([over, turns(() => paused.length > 0).then(() => false)]))) {
    const { socket } = request!;
    const before = socket.bytesRead;
    await turns(() => false, 30);
    if (parts++ === 0) expect(socket.bytesRead).toBeLessThanOrEqual(PART_BYTES);
    expect(socket.bytesRead - before).toBeLessThanOrEqual(PART_BYTES);
    paused.pop()!.resume();
  }
  expect((await read.promise).equals(body)).toBe(true);
  expect(parts).toBeGreaterThanOrEqual(15);
  client.destroy();
  plain?.close();
  http.close();
});

/** Lets the event loop turn until something holds, or so often. */
async function turns(holds: () => boolean, most = 100_000): Promise<void> {
  for (let i = 0; i < most && !holds(); i++) await nextTurn();
}
