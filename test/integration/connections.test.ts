// How a server leaves its connections, on sockets and without a clock: patience is ended by hand.

import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Connections } from '../../src/http/connections.ts';
import { until } from '../fixtures/server.ts';

const AN_HOUR_MS = 3_600_000;
const REQUEST = 'GET / HTTP/1.1\r\nHost: here\r\n\r\n';

let server: Server;
let connections: Connections;
/** Answers that the server owes. */
let owed: ServerResponse[];

beforeEach(async () => {
  owed = [];
  server = createServer((_request, response) => owed.push(response));
  connections = new Connections(server, 100, () => performance.now());
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(() => server.closeAllConnections());

async function opened() {
  const accepted = once(server, 'connection');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let received = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    received += chunk;
  });
  const closed = once(socket, 'close').then(() => received);
  await accepted;
  const ask = async () => {
    socket.write(REQUEST);
    await until(() => owed.length > 0);
    return owed.shift()!;
  };
  return { ask, closed, received: () => received };
}

/** With one answer behind it. */
async function idle() {
  const connection = await opened();
  (await connection.ask()).end('first');
  await until(() => connection.received().includes('first'));
  return connection;
}

test('one that is idle gets another answer, which closes it; there are no new ones', async () => {
  const connection = await idle();
  expect(connection.received()).toContain('Connection: keep-alive');
  const { port } = server.address() as AddressInfo;
  const left = connections.drain(AN_HOUR_MS);
  await until(() => !server.listening);
  const [refused] = await once(connect(port, '127.0.0.1'), 'error');
  expect(refused.code).toBe('ECONNREFUSED');
  (await connection.ask()).end('second');
  expect(await connection.closed).toMatch(/connection: close[\s\S]*second$/i);
  await left;
});

test('when patience ends, the idle and the silent are cut off, and what is inside is answered', async () => {
  const [quiet, silent, busy] = [await idle(), await opened(), await opened()];
  const answer = await busy.ask();
  const patience = new AbortController();
  const left = connections.drain(AN_HOUR_MS, patience.signal);
  patience.abort();
  expect([await quiet.closed, await silent.closed]).toEqual([expect.stringMatching(/first$/), '']);
  answer.end('late');
  expect(await busy.closed).toMatch(/late$/);
  await left;
});

test('one whose next request does not come to an end of its head does not hold up the end', async () => {
  server.close();
  server = createServer({ connectionsCheckingInterval: 10 }, (_request, response) => response.end());
  connections = new Connections(server, 100, () => performance.now());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.resume().write('GET / HTTP/1.1\r\nHost:');
  const [accepted] = await once(server, 'connection');
  await until(() => accepted.bytesRead > 0);
  await connections.drain(1);
  expect(server.listening).toBe(false);
});
