// Requests that are answered without node:http, on sockets; what node:http answers instead says so.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Connections } from '../../src/http/connections.ts';
import { type PlainAnswer, PlainConnections } from '../../src/http/plain-connections.ts';
import type { CancelSignal } from '../../src/inference.ts';
import { until } from '../fixtures/server.ts';

const BODY = 'abc';
const MOST_BYTES = 100;
const asked = (model: string, body = BODY, more = '') =>
  `POST /v2/models/${model}/infer HTTP/1.1\r\nHost: here\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;

interface Owed {
  readonly model: string;
  readonly signal: CancelSignal;
  answer(body?: PlainAnswer['body'], taken?: () => void): void;
}

let server: Server;
let plain: PlainConnections;
let connections: Connections;
let clock: { now: number };
let draining: boolean;
let owed: Owed[];
let accepted: Socket[];

beforeEach(async () => {
  clock = { now: 0 };
  [draining, owed, accepted] = [false, [], []];
  server = createServer({ keepAliveTimeout: 72_000, headersTimeout: 20_000 }, (request, response) => {
    request.resume().on('end', () => response.end(`node ${request.url}`));
  });
  const handle = ({ model }: { model: string }, signal: CancelSignal) =>
    new Promise<PlainAnswer>((resolve) => {
      const answer: Owed['answer'] = (body = `plain ${model}`, taken = () => {}) =>
        resolve({ status: 200, headers: ['x-request-id', 'one'], body, taken });
      owed.push({ model, signal, answer });
    });
  const now = () => clock.now;
  plain = new PlainConnections(server, { handle, draining: () => draining, maxBodyBytes: MOST_BYTES, now });
  connections = new Connections(server, 100, now, plain);
  server.on('connection', (socket) => accepted.push(socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(() => connections.close());

async function opened() {
  const count = accepted.length;
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let received = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    received += chunk;
  });
  const closed = once(socket, 'close').then(() => received);
  await until(() => accepted.length > count);
  /** Sends bytes that are to be answered plainly. */
  const ask = async (bytes: string) => {
    const owing = owed.length;
    socket.write(bytes);
    await until(() => owed.length > owing);
    return owed.at(-1)!;
  };
  const gets = (text: string) => until(() => received.includes(text));
  return { socket, ask, gets, closed, accepted: accepted.at(-1)!, received: () => received };
}

async function answered() {
  const client = await opened();
  (await client.ask(asked('first'))).answer();
  await client.gets('plain first');
  return client;
}

test('an answer has its headers, its length, the date, and how long the connection is kept', async () => {
  const { received } = await answered();
  expect(received()).toMatch(
    /^HTTP\/1\.1 200 OK\r\nx-request-id: one\r\ncontent-length: 11\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=72\r\n\r\nplain first$/,
  );
});

test('the date goes on from second to second', async () => {
  const time = vi.spyOn(Date, 'now').mockReturnValue(Date.UTC(2026, 0, 1, 12, 0, 0, 400));
  try {
    const client = await answered();
    time.mockReturnValue(Date.UTC(2026, 0, 1, 12, 0, 1));
    for (const [model, now] of [
      ['second', 599],
      ['third', 600],
    ] as const) {
      clock.now = now;
      (await client.ask(asked(model))).answer();
      await client.gets(`plain ${model}`);
    }
    expect(
      client
        .received()
        .match(/(?<=Date: )[^\r]*/g)
        ?.map((date) => date.slice(17, 25)),
    ).toEqual(['12:00:00', '12:00:00', '12:00:01']);
  } finally {
    time.mockRestore();
  }
});

test.each<[string, PlainAnswer['body'], string]>([
  ['text beyond ASCII', 'é€', Buffer.from('é€').toString('latin1')],
  ['bytes', Uint8Array.of(0, 255, 128), '\0\xff\x80'],
  ['many bytes', new Uint8Array(100_000).fill(200), '\xc8'.repeat(100_000)],
])('%s arrive as they are', async (_, body, expected) => {
  const client = await opened();
  let taken = 0;
  (await client.ask(asked('m'))).answer(body, () => taken++);
  await client.gets(`\r\n\r\n${expected}`);
  expect(client.received()).toContain(`content-length: ${expected.length}\r\n`);
  await until(() => taken === 1);
});

test('one connection asks plainly again and again', async () => {
  const client = await answered();
  for (const model of ['second', 'third']) {
    (await client.ask(asked(model))).answer();
    await client.gets(`plain ${model}`);
  }
});

test.each([
  ['another route', 'GET /v2 HTTP/1.1\r\nHost: here\r\n\r\n', 'node /v2'],
  ['a body that comes in two parts', asked('second').slice(0, -1), 'node /v2/models/second/infer'],
  ['a body that is longer than allowed', asked('second', 'x'.repeat(MOST_BYTES + 1)), 'node /v2/models/second/infer'],
  [
    'a chunked body',
    asked('second', '3\r\nabc\r\n0\r\n\r\n').replace('Content-Length: 13', 'Transfer-Encoding: chunked'),
    'node /v2/models/second/infer',
  ],
])('after %s node:http has the connection, and answers', async (_, bytes, expected) => {
  const client = await answered();
  client.socket.write(bytes);
  if (expected.includes('second') && bytes.endsWith('ab')) {
    await until(() => accepted[0]!.listenerCount('drain') > 0);
    client.socket.write('c');
  }
  await client.gets(expected);
  // Plain as it is, the connection is not taken back.
  client.socket.write(asked('third'));
  await client.gets('node /v2/models/third/infer');
  expect(owed).toHaveLength(1);
});

test('requests that come together are answered in their order', async () => {
  const client = await opened();
  client.socket.write(asked('first'));
  await until(() => owed.length === 1);
  client.socket.write(asked('second') + asked('third'));
  await until(() => accepted[0]!.isPaused());
  expect(client.received()).toBe('');
  owed[0]!.answer();
  await client.gets('node /v2/models/third/infer');
  expect(client.received().match(/plain first|node [a-z0-9/]+infer/g)).toEqual([
    'plain first',
    'node /v2/models/second/infer',
    'node /v2/models/third/infer',
  ]);
});

test.each<[string, (socket: Socket) => void]>([
  ['goes away', (socket) => socket.destroy()],
  ['ends its side', (socket) => socket.end()],
])('the request of a client that %s is cancelled, and its answer counts as taken', async (_, leave) => {
  const client = await opened();
  const { signal, answer } = await client.ask(asked('m'));
  let heard = 0;
  signal.onabort = () => heard++;
  leave(client.socket);
  await until(() => signal.aborted);
  let taken = 0;
  answer('late', () => taken++);
  await client.closed;
  await until(() => taken === 1);
  expect([heard, client.received()]).toEqual([1, '']);
});

test('who asks nothing is told that its time is up, who asks nothing more is closed, each at its limit', async () => {
  const codes: unknown[] = [];
  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket) => {
    codes.push(code);
    socket.write('408');
    socket.destroy();
  });
  const [silent, idle, busy] = [await opened(), await answered(), await opened()];
  await busy.ask(asked('busy'));
  const lookAt = (now: number) => {
    clock.now = now;
    connections.look();
    return [silent, idle, busy].map(({ accepted }) => accepted.writable);
  };
  expect(lookAt(19_999)).toEqual([true, true, true]);
  expect(lookAt(20_000)).toEqual([false, true, true]);
  expect(await silent.closed).toBe('408');
  expect(lookAt(71_999)).toEqual([false, true, true]);
  expect(lookAt(72_000)).toEqual([false, false, true]);
  await idle.closed;
  expect(codes).toEqual(['ERR_HTTP_REQUEST_TIMEOUT']);
  owed.at(-1)!.answer();
  await busy.gets('plain busy');
});

test('a client that does not take its answers gets the next ones from node:http', async () => {
  const client = await opened();
  client.socket.pause();
  (await client.ask(asked('first'))).answer(new Uint8Array(50_000_000));
  await until(() => client.accepted.writableLength > 0);
  client.socket.write(asked('second'));
  client.socket.resume();
  await client.gets('node /v2/models/second/infer');
});

test('while the server drains an answer is the last one of its connection', async () => {
  const client = await answered();
  const request = await client.ask(asked('second'));
  draining = true;
  request.answer();
  expect(await client.closed).toMatch(/Connection: close\r\n\r\nplain second$/);
});

test('a server that leaves closes the idle at once when patience ends, and the busy after their answers', async () => {
  const [idle, busy] = [await answered(), await opened()];
  const { answer } = await busy.ask(asked('busy'));
  const patience = new AbortController();
  const left = connections.drain(3_600_000, patience.signal);
  patience.abort();
  expect(await idle.closed).toMatch(/plain first$/);
  answer();
  expect(await busy.closed).toMatch(/Connection: close\r\n\r\nplain busy$/);
  await left;
});
