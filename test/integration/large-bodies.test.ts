// JSON bodies that are decoded in a thread of their own.

import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LARGE_JSON_BYTES } from '../../src/codec/decoding-thread.ts';
import { doubling, identity, repositoryOf, slow } from '../fixtures/models.ts';
import { serverOf, until, x } from '../fixtures/server.ts';

const ROWS = 40_000;
const repository = repositoryOf({
  'double.onnx': doubling(),
  'text.onnx': identity('string'),
  'int64.onnx': identity('int64'),
});
let server: Awaited<ReturnType<typeof serverOf>>;
beforeAll(async () => {
  server = await serverOf(repository.path, { port: 0 });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const numbers = Array.from({ length: 2 * ROWS }, (_, i) => i / 8);

test('a large body gives the same answer as a small one', async () => {
  const { status, body } = await server.infer('double', [x('FP32', [ROWS, 2], numbers)]);
  expect([status, body.outputs[0]!.data]).toEqual([200, numbers.map((value) => 2 * value)]);
  const texts = numbers.map((value) => `text ${value}`);
  expect((await server.infer('text', [x('BYTES', [ROWS, 2], texts)])).body.outputs[0]!.data).toEqual(texts);
});

test('several large bodies at once are each answered with their own', async () => {
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, i) =>
      server.infer('double', [
        x(
          'FP32',
          [ROWS, 2],
          numbers.map((value) => value + i),
        ),
      ]),
    ),
  );
  expect(answers.map(({ body }) => body.outputs[0]!.data[0])).toEqual([0, 2, 4, 6, 8, 10]);
});

test('what is wrong in a large body is refused with its position, and an unknown model before it is read', async () => {
  const wrong = numbers.with(70_000, 'seven' as never);
  expect(await server.infer('double', [x('FP32', [ROWS, 2], wrong)])).toMatchObject({
    status: 400,
    body: { error: expect.stringContaining('element 70000 of FP32 must be a number, got "seven"') },
  });
  expect(await server.infer('nosuch', [x('FP32', [ROWS, 2], numbers)])).toMatchObject({ status: 404 });
});

test('a large body is put in its place as it comes, whatever its chunks', async () => {
  await server.app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = server.app.server.address() as AddressInfo;
  const body = Buffer.from(JSON.stringify({ inputs: [x('INT64', [ROWS, 2], numbers.map(Math.floor))] }));
  expect(body.length).toBeGreaterThan(LARGE_JSON_BYTES);
  for (const headers of [{ 'content-length': body.length }, {}]) {
    const answer = new Promise<string>((resolve, reject) => {
      const request = httpRequest(
        { port, method: 'POST', path: '/v2/models/int64/infer', headers },
        async (response) => {
          resolve(Buffer.concat(await response.toArray()).toString());
        },
      );
      request.on('error', reject);
      for (let at = 0; at < body.length; at += 99_991) request.write(body.subarray(at, at + 99_991));
      request.end();
    });
    expect(JSON.parse(await answer).outputs[0].data).toEqual(numbers.map(Math.floor));
  }
});

test('a large body is refused before it has come while the queue is full, and its connection serves on', async () => {
  using slowRepository = repositoryOf({ 'slow.onnx': slow() });
  const settings = { port: 0, threads: 1, instances: 1, maxQueueRequests: 1 };
  await using busy = await serverOf(slowRepository.path, settings);
  await busy.app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = busy.app.server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  /** @param rest sent when the answer is there */
  const ask = async (body: Buffer, rest?: Buffer) => {
    const headers = { 'content-length': body.length + (rest?.length ?? 0) };
    const request = httpRequest({ port, agent, method: 'POST', path: '/v2/models/slow/infer', headers });
    const answered = once(request, 'response');
    if (rest) request.write(body);
    else request.end(body);
    const [response] = await answered;
    await response.toArray();
    if (rest) await new Promise<void>((resolve) => request.end(rest, resolve));
    return [response.statusCode, request.reusedSocket];
  };
  const steps = (count: number) => Buffer.from(JSON.stringify({ inputs: [x('FP32', [1, 1], [count])] }));
  const count = async (gauge: string) => {
    const { body } = await busy.app.inject('/metrics');
    return Number(new RegExp(`^ortlet_${gauge}\\{.*\\} (\\d+)$`, 'm').exec(body)?.[1]);
  };
  expect(await ask(steps(1))).toEqual([200, false]);
  const others: Promise<{ status: number }>[] = [];
  while ((await count('queue_depth')) < 1) {
    others.push(busy.infer('slow', [x('FP32', [1, 1], [10_000])]));
    // The next one only when this one is inside: none may find the queue full.
    await until(async () => (await count('queue_depth')) + (await count('requests_in_flight')) === others.length);
  }
  const half = Buffer.alloc(2 * LARGE_JSON_BYTES, ' ');
  expect(await ask(half, half)).toEqual([503, true]);
  expect(new Set((await Promise.all(others)).map(({ status }) => status))).toEqual(new Set([200]));
  expect(await ask(steps(1))).toEqual([200, true]);
  agent.destroy();
});
