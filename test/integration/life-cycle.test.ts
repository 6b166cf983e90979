// From the start to the end of the process: signals at every moment, errors that nobody caught, starts that fail.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { doubling, repositoryOf, slow } from '../fixtures/models.ts';
import { isAlive, launch, MAIN } from '../fixtures/process.ts';
import { until, x } from '../fixtures/server.ts';

const BODY = JSON.stringify({ inputs: [x('FP32', [1, 2], [1, 2])] });
const AN_HOUR = '3600000';

async function served(models: string, args: readonly string[] = [], node: readonly string[] = []) {
  const process = launch(['serve', models, '--port', '0', ...args], node);
  const { address } = await process.logged('ready');
  const get = (path: string) => fetch(`${address}${path}`);
  const infer = () => fetch(`${address}/v2/models/m/infer`, { method: 'POST', body: BODY });
  return { ...process, get, infer };
}

describe('the shutdown delay', () => {
  test('ready is 503 at once, requests are served on connections that close, until a second signal', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using server = await served(repository.path, ['--shutdown-delay-ms', AN_HOUR]);
    expect((await server.infer()).headers.get('connection')).toBe('keep-alive');
    server.child.kill('SIGTERM');
    await server.logged('shutting down');
    const ready = await server.get('/v2/health/ready');
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { error: 'The server is not ready: it is shutting down.' },
    ]);
    expect((await server.get('/v2/health/live')).status).toBe(200);
    for (const answer of [await server.infer(), await server.infer(), await server.get('/metrics')]) {
      expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
    }
    server.child.kill('SIGTERM');
    expect(await server.exited).toBe(0);
  });

  test('passes by itself', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using server = await served(repository.path, ['--shutdown-delay-ms', '100']);
    server.child.kill('SIGINT');
    expect(await server.exited).toBe(0);
  });

  test('is kept by replicas, and hurried through the supervisor', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using server = await served(repository.path, ['--replicas', '2', '--shutdown-delay-ms', AN_HOUR]);
    await until(() => server.lines.filter(({ msg }) => msg === 'replica started').length === 2);
    server.child.kill('SIGTERM');
    await until(async () => (await server.get('/v2/health/ready')).status === 503);
    expect((await server.infer()).status).toBe(200);
    server.child.kill('SIGINT');
    expect(await server.exited).toBe(0);
  });
});

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  test('while the models load ends their engines and the process, with 0', async () => {
    using repository = repositoryOf(
      Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`m${i}.onnx`, doubling()])),
    );
    using server = launch(['serve', repository.path, '--port', '0']);
    await server.logged('engine started');
    server.child.kill(signal);
    expect(await server.exited).toBe(0);
    expect(server.errors()).toBe('');
    expect(server.lines.filter(({ msg }) => /failed|lost/.test(msg))).toEqual([]);
    const engines = server.lines.flatMap(({ enginePid }) => enginePid ?? []);
    expect(engines.filter(isAlive)).toEqual([]);
  });

  test('while a model is loaded again ends both its engines, with 0', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using server = await served(repository.path, ['--model-control', 'explicit']);
    const { address } = await server.logged('ready');
    const loading = fetch(`${address}/v2/repository/models/m/load`, { method: 'POST' }).catch(() => undefined);
    await until(async () => childrenOf(server.child.pid!).length === 2);
    const engines = childrenOf(server.child.pid!);
    server.child.kill(signal);
    expect(await server.exited).toBe(0);
    expect(engines.filter(isAlive)).toEqual([]);
    await loading;
  });
});

test('a connection on which nothing was ever asked does not hold up the end', async () => {
  using repository = repositoryOf({ 'm.onnx': doubling() });
  using server = await served(repository.path);
  const { address } = await server.logged('ready');
  const silent = connect(Number(new URL(address!).port), '127.0.0.1').resume();
  // The server knows it when it has answered one that was opened later.
  await once(silent, 'connect');
  expect((await server.infer()).status).toBe(200);
  const closed = once(silent, 'close');
  server.child.kill('SIGTERM');
  expect(await server.exited).toBe(0);
  await closed;
});

test('SIGHUP to one process does not end it', async () => {
  using repository = repositoryOf({ 'm.onnx': doubling() });
  using server = await served(repository.path);
  server.child.kill('SIGHUP');
  await server.logged('nothing to reload');
  expect((await server.infer()).status).toBe(200);
  server.child.kill('SIGTERM');
  expect(await server.exited).toBe(0);
});

describe('an error that nobody caught', () => {
  const injected = (code: string) => ['--import', `data:text/javascript,process.on('SIGUSR2',()=>{${code}})`];

  test.each([
    ['an exception', "throw new Error('injected')"],
    ['a rejection', "Promise.reject(new Error('injected'))"],
  ])('%s is logged, what is inside is finished, and the exit code is 1', async (_, code) => {
    using repository = repositoryOf({ 'm.onnx': slow() });
    using server = await served(repository.path, ['--shutdown-delay-ms', '300'], injected(code));
    const { address } = await server.logged('ready');
    const body = JSON.stringify({ inputs: [x('FP32', [1, 1], [2000])] });
    const inside = fetch(`${address}/v2/models/m/infer`, { method: 'POST', body });
    const metrics = async () => (await server.get('/metrics')).text();
    await until(async () => /^ortlet_requests_in_flight.* 1$/m.test(await metrics()));
    expect(await metrics()).toMatch(/^ortlet_uncaught_errors_total 0$/m);
    server.child.kill('SIGUSR2');
    expect(await server.logged('uncaught error')).toMatchObject({ level: 'fatal', err: { message: 'injected' } });
    expect(await metrics()).toMatch(/^ortlet_uncaught_errors_total 1$/m);
    expect((await inside).status).toBe(200);
    expect(await server.exited).toBe(1);
    expect(server.errors()).toBe('');
  });
});

describe('a start that fails is one clear line and exit 1', () => {
  test.each([
    [['--port', '70000'], "setting 'port' on the command line"],
    [['--shutdown-delay-ms', '-1'], "Option '--shutdown-delay-ms' argument is ambiguous"],
    [['--shutdown-delay-ms=-1'], "setting 'shutdownDelayMs' on the command line"],
    [['--drain-timeout-ms', 'soon'], "setting 'drainTimeoutMs' on the command line"],
    [['--ready-models', ''], "setting 'readyModels' on the command line"],
    [['--config', '/nosuch.yaml'], 'the settings file /nosuch.yaml does not exist'],
    [['--host', '203.0.113.1'], 'EADDRNOTAVAIL'],
    [['--host', 'nosuch.invalid'], 'nosuch.invalid'],
    [['--models', '/nosuch'], "'/nosuch' is neither a folder of models nor an .onnx file"],
  ])('%j', (args, message) => {
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'serve', ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    });
    expect([status, stderr.split('\n').length]).toEqual([1, 2]);
    expect(stderr).toContain(message);
  });

  test('a port in use, before any engine is started', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    using server = launch(['serve', repository.path, '--port', String((other.address() as { port: number }).port)]);
    expect(await server.exited).toBe(1);
    expect(server.errors()).toMatch(/^ortlet: .*EADDRINUSE.*\n$/);
    expect(server.lines.filter(({ msg }) => msg === 'engine started')).toEqual([]);
    other.close();
  });
});

/** Processes that this one has started. */
function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return stdout.trim().split(/\s+/).filter(Boolean).map(Number);
}
