// Live, ready and startup: three questions, and what each says of the models.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settingsSchema } from '../../src/config/schema.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { type ReadyRule, unready } from '../../src/repository/readiness.ts';
import type { IndexEntry } from '../../src/repository/registry.ts';
import { createServer } from '../../src/server.ts';
import { doubling, repositoryOf } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';

const repository = repositoryOf({ 'good.onnx': doubling(), 'bad.onnx': 'no model' });
const servers = new Map<string, Awaited<ReturnType<typeof serverOf>>>();

beforeAll(async () => {
  for (const readyModels of ['all', 'any', 'good', 'good,bad', 'nosuch']) {
    servers.set(readyModels, await serverOf(repository.path, { readyModels }));
  }
});
afterAll(async () => {
  for (const server of servers.values()) await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const ask = async (url: string, readyModels = 'all') => {
  const response = await servers.get(readyModels)!.app.inject(url);
  return { status: response.statusCode, headers: response.headers, body: response.json() };
};

const BAD = "model 'bad' version 1 is UNAVAILABLE: ";

describe('with a model that cannot load', () => {
  test.each([
    ['all', 503, BAD],
    ['any', 200, undefined],
    ['good', 200, undefined],
    ['good,bad', 503, BAD],
    ['nosuch', 503, "there is no model 'nosuch'."],
  ])('readyModels %s: ready is %i', async (readyModels, status, reason) => {
    const answer = await ask('/v2/health/ready', readyModels);
    expect(answer.status).toBe(status);
    if (reason === undefined) expect(answer.body).toEqual({ ready: true });
    else expect(answer.body).toEqual({ error: expect.stringContaining(`The server is not ready: ${reason}`) });
  });

  test('live and startup do not depend on it', async () => {
    expect((await ask('/v2/health/live')).body).toEqual({ live: true });
    expect((await ask('/v2/health/startup')).body).toEqual({ started: true });
  });

  test('verbose names the reason and the state of every version, with the same status', async () => {
    const models = [
      { name: 'bad', version: '1', state: 'UNAVAILABLE', reason: expect.stringMatching(/./) },
      { name: 'good', version: '1', state: 'READY', reason: '' },
    ];
    for (const query of ['?verbose', '?verbose=true']) {
      expect(await ask(`/v2/health/live${query}`)).toMatchObject({ status: 200, body: { live: true, models } });
      expect(await ask(`/v2/health/startup${query}`)).toMatchObject({ status: 200, body: { started: true, models } });
      const { status, headers, body } = await ask(`/v2/health/ready${query}`);
      expect([status, headers['retry-after']]).toEqual([503, '1']);
      expect(body).toEqual({ ready: false, error: expect.stringContaining(`not ready: ${BAD}`), models });
    }
    expect((await ask('/v2/health/ready?verbose=false')).body).toEqual({ error: expect.stringContaining(BAD) });
    expect(await ask('/v2/health/ready?verbose=null')).toMatchObject({
      status: 400,
      body: { error: "the query parameter 'verbose' must be true or false, or have no value" },
    });
    const { body } = await ask('/v2/health/ready?verbose', 'any');
    expect(body).toEqual({ ready: true, models });
  });
});

test('before the models have been tried the server lives, is not started and not ready', async () => {
  const settings = settingsSchema.parse({ models: repository.path });
  const { app, stop } = await createServer(settings, createLogger('silent'));
  for (const [probe, status] of [
    ['live', 200],
    ['startup', 503],
    ['ready', 503],
  ] as const) {
    const response = await app.inject(`/v2/health/${probe}`);
    expect([response.statusCode, response.headers['retry-after'] !== undefined]).toEqual([status, status === 503]);
    if (status === 503) expect(response.json().error).toContain('its models are still loading.');
  }
  await stop();
});

test('a server that is shutting down lives and has started, and is not ready', async () => {
  await using server = await serverOf(`${repository.path}/good.onnx`);
  expect((await server.app.inject('/v2/health/ready')).statusCode).toBe(200);
  const stopped = server.stop();
  const { statusCode, headers, body } = await server.app.inject('/v2/health/ready?verbose');
  expect([statusCode, headers.connection, JSON.parse(body).error]).toEqual([
    503,
    'close',
    'The server is not ready: it is shutting down.',
  ]);
  await stopped;
});

describe('the rule', () => {
  const entry = (name: string, state: IndexEntry['state'], reason = ''): IndexEntry => {
    return { name, version: '1', state, reason };
  };
  const up = entry('a', 'READY');
  const loading = entry('b', 'LOADING');
  const unloaded = entry('b', 'UNAVAILABLE', 'unloaded');

  test.each<[ReadyRule, IndexEntry[], boolean, string | undefined]>([
    ['all', [], true, undefined],
    ['all', [up], false, 'its models are still loading.'],
    ['all', [up, loading], true, "model 'b' version 1 is LOADING"],
    ['all', [up, unloaded], true, undefined],
    ['any', [], false, 'its models are still loading.'],
    ['any', [], true, 'none of its models is ready.'],
    ['any', [up, loading], false, undefined],
    ['any', [unloaded], true, 'none of its models is ready.'],
    [['a'], [up, loading], false, undefined],
    [['a', 'b'], [up], false, "model 'b' is not loaded yet."],
    [['b'], [up, unloaded], true, "model 'b' version 1 is UNAVAILABLE: unloaded"],
    [['b'], [{ ...unloaded, version: '2' }, entry('b', 'READY')], true, undefined],
  ])('%j over %j, started %s', (rule, entries, started, reason) => {
    expect(unready(rule, entries, started)).toBe(reason);
  });
});
