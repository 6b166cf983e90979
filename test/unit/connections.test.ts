// Limits on connections and on what is on its way, with a clock of our own.

import { EventEmitter } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { readBody } from '../../src/http/body.ts';
import { Connections, mostConnections, readOpenFilesLimit } from '../../src/http/connections.ts';
import { ReadingTurns } from '../../src/http/reading-turns.ts';
import { COUNTED_BYTES, Transfers } from '../../src/http/transfers.ts';

test.each([
  [10_000, undefined, 10_000],
  [10_000, 1_000_000, 10_000],
  [10_000, 1024, 896],
  [10_000, 64, 16],
  [5, 64, 5],
])('connections leave files for the rest: of %i wanted, %s files allow %i', (wanted, openFiles, most) => {
  expect(mostConnections(wanted, openFiles)).toBe(most);
});

test('the limit on open files is read where the system tells', () => {
  expect(readOpenFilesLimit(() => 'Max open files            1024      4096      files')).toBe(1024);
  expect(readOpenFilesLimit(() => 'Max open files            unlimited unlimited files')).toBeUndefined();
  expect(
    readOpenFilesLimit(() => {
      throw new Error('no such file');
    }),
  ).toBeUndefined();
});

class FakeSocket extends EventEmitter {
  writableLength = 0;
  bytesWritten = 0;
  bytesRead = 0;
  timeout = 0;
  destroyed = false;
  setTimeout(ms: number): void {
    this.timeout = ms;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function connectionsOf(now: () => number) {
  const server = Object.assign(new EventEmitter(), { maxConnections: 0, closeIdleConnections: () => {} });
  const connections = new Connections(server as unknown as Server, 3, now);
  const open = () => {
    const socket = new FakeSocket();
    server.emit('connection', socket);
    return socket;
  };
  return { server, connections, open };
}

test('an answer that is not taken gives its socket a timeout, and two minutes at most', () => {
  let now = 0;
  const { connections, open } = connectionsOf(() => now);
  const socket = open();
  connections.look();
  expect(socket.timeout).toBe(0);
  socket.writableLength = 1000;
  socket.bytesWritten = 1000;
  connections.look();
  expect(socket.timeout).toBe(10_000);
  now = 119_000;
  connections.look();
  expect(socket.destroyed).toBe(false);
  now = 120_000;
  connections.look();
  expect(socket.destroyed).toBe(true);
});

test('the timeout is taken back when the answer has been taken, and that of an idle connection is left alone', () => {
  const { connections, open } = connectionsOf(() => 0);
  const socket = open();
  socket.writableLength = 1;
  socket.bytesWritten = 1;
  connections.look();
  socket.writableLength = 0;
  connections.look();
  expect(socket.timeout).toBe(0);
  socket.timeout = 72_000;
  connections.look();
  expect(socket.timeout).toBe(72_000);
});

test('when there are too many, those that have sent nothing for a second give way', () => {
  let now = 0;
  const { server, open } = connectionsOf(() => now);
  const [silent, busy] = [open(), open()];
  busy.bytesRead = 100;
  now = 1500;
  const fresh = open();
  server.emit('drop');
  expect(server.maxConnections).toBe(3);
  expect([silent, busy, fresh].map(({ destroyed }) => destroyed)).toEqual([true, false, false]);
});

/** A request as body.ts sees it, with bytes that are counted by hand. */
function requestOf(headers: Record<string, string>) {
  const socket = { bytesRead: 0 };
  const stream = Object.assign(new PassThrough(), { headers, socket });
  const send = (chunk: Buffer) => {
    socket.bytesRead += chunk.length;
    stream.write(chunk);
  };
  return { request: stream as unknown as IncomingMessage, stream, socket, send };
}

function limitsWith(maxInFlightBytes: number, now: () => number = () => 0) {
  const transfers = new Transfers(maxInFlightBytes, now);
  return { maxBytes: 10_000_000, transfers, memory: (bytes: number) => new ArrayBuffer(bytes) };
}

test('a body that brings under a kilobyte a second for 20 seconds is refused, a slow one that brings more is not', async () => {
  let now = 0;
  const limits = limitsWith(1e9, () => now);
  const [slow, enough] = [requestOf({}), requestOf({})];
  const refused = expect(readBody(slow.request, limits)).rejects.toMatchObject({ code: 'REQUEST_TIMEOUT' });
  const read = readBody(enough.request, limits);
  for (; now <= 40_000; now += 5000) {
    slow.socket.bytesRead += 5;
    enough.socket.bytesRead += 5 * 1024;
    limits.transfers.endSlowBodies();
  }
  await refused;
  enough.stream.end('whole');
  expect(String(await read)).toBe('whole');
});

test('a body whose client has gone before it is read is not waited for', () => {
  const { request, stream } = requestOf({});
  stream.destroy();
  expect(() => readBody(request, limitsWith(1e9))).toThrow('The client closed the connection.');
});

test('large bodies on their way are counted: one too many is refused, and there is room again when one has gone', async () => {
  const size = 3 * COUNTED_BYTES;
  const limits = limitsWith(size + 1);
  const [first, second, third] = [1, 2, 3].map(() => requestOf({ 'content-length': String(size) }));
  const read = readBody(first!.request, limits);
  first!.send(Buffer.alloc(COUNTED_BYTES + 1));
  const refused = expect(readBody(second!.request, limits)).rejects.toMatchObject({ code: 'QUEUE_FULL' });
  second!.send(Buffer.alloc(COUNTED_BYTES + 1));
  await refused;
  first!.stream.end(Buffer.alloc(size - COUNTED_BYTES - 1));
  limits.transfers.release((await read).length);
  const again = readBody(third!.request, limits);
  third!.stream.end(Buffer.alloc(size));
  expect((await again).length).toBe(size);
});

test('a large body of a known length lies in memory as it is to be aligned, a promise of one takes no memory', async () => {
  const size = 2 * COUNTED_BYTES;
  const given: number[] = [];
  const limits = { ...limitsWith(1e9), memory: (bytes: number) => new ArrayBuffer(given[given.push(bytes) - 1]!) };
  const { request, stream } = requestOf({ 'content-length': String(size) });
  const read = readBody(request, limits, { aligned: 83 });
  const bytes = Buffer.from(Array.from({ length: size }, (_, i) => i % 251));
  stream.write(bytes.subarray(0, 1000));
  await new Promise(setImmediate);
  expect(given).toEqual([]);
  stream.end(bytes.subarray(1000));
  const body = await read;
  expect((body.byteOffset + 83) % 8).toBe(0);
  expect(body.equals(bytes)).toBe(true);
  expect(given).toEqual([size + 5]);
});

test('of many large bodies some parts are read in a turn, those first that have begun to be read, and each has its turn', async () => {
  const turns = new ReadingTurns();
  let given = 0;
  const bodies = Array.from({ length: 40 }, () => ({ parts: 8, paused: false }));
  const give = (body: (typeof bodies)[number]) => {
    while (!body.paused && body.parts > 0) {
      body.parts--;
      given++;
      turns.took(64 * 1024, body.parts === 7, {
        pause: () => {
          body.paused = true;
        },
        resume: () => {
          body.paused = false;
          give(body);
        },
      });
    }
  };
  for (const body of bodies) give(body);
  // Whoever begins gives one part, whatever the others have given.
  expect(given).toBe(3 + 40);
  const [counts, begun]: [number[], number[]] = [[], []];
  while (given < 320) {
    const before = given;
    await new Promise(setImmediate);
    counts.push(given - before);
    begun.push(bodies.filter(({ parts }) => parts < 7 && parts > 0).length);
  }
  expect(Math.max(...counts)).toBeLessThanOrEqual(7);
  expect(Math.max(...begun)).toBeLessThanOrEqual(8);
  expect(bodies.every(({ parts }) => parts === 0)).toBe(true);
});
