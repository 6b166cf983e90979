// Several server processes behind one port, as people run them: real processes, real signals.

import { spawn, spawnSync } from 'node:child_process';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { doubling, repositoryOf } from '../fixtures/models.ts';
import { until, x } from '../fixtures/server.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

interface Line {
  readonly msg: string;
  readonly pid: number;
  readonly address?: string;
  readonly enginePid?: number;
  readonly how?: string;
  readonly replica?: number;
  readonly replicaPid?: number;
  readonly tuning?: { readonly threads: { readonly reason: string } };
}

/** A group of two whose replicas both serve. */
async function startedGroup(models: string, ...args: string[]) {
  const child = spawn(process.execPath, [MAIN, 'serve', models, '--port', '0', '--replicas', '2', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const lines: Line[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  const of = (msg: string) => lines.filter((line) => line.msg === msg);
  await until(() => of('ready').length === 1 && of('replica started').length === 2);
  const address = of('ready')[0]!.address!;
  /** The processes that serve or have served, in the order in which they came. */
  const replicaPids = () => of('replica started').map(({ replicaPid }) => replicaPid!);
  const processes = () => [...replicaPids(), ...of('engine started').map(({ enginePid }) => enginePid!)];
  const metric = async (pattern: string) => {
    const text = await (await fetch(`${address}/metrics`)).text();
    return [...text.matchAll(new RegExp(`^${pattern} (\\S+)$`, 'gm'))].map(([, value]) => Number(value));
  };
  return {
    child,
    exited,
    of,
    address,
    replicaPids,
    processes,
    metric,
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  };
}

const alive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const BODY = JSON.stringify({ inputs: [x('FP32', [1, 2], [1, 2])] });

/** Clients that ask one request after the other, each on a connection that it keeps. */
function load(address: string, clients: number) {
  const answered: number[] = [];
  const failed: string[] = [];
  let running = true;
  const ask = (agent: Agent) =>
    new Promise<void>((resolve) => {
      const call = request(`${address}/v2/models/m/infer`, { agent, method: 'POST' }, (response) => {
        response.resume().once('end', () => {
          answered.push(response.statusCode!);
          resolve();
        });
      });
      call.once('error', (error) => {
        failed.push(error.message);
        resolve();
      });
      call.end(BODY);
    });
  const all = Array.from({ length: clients }, async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (running) await ask(agent);
    agent.destroy();
  });
  const stop = async () => {
    running = false;
    await Promise.all(all);
  };
  return { answered, failed, stop };
}

describe('replicas', () => {
  test('one port, more than one process, one sum of metrics; engines share the processors', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using group = await startedGroup(repository.path);
    // Each process gives its request ids a beginning of its own.
    const answering = new Set<string>();
    await until(async () => {
      const { headers } = await fetch(`${group.address}/v2/health/live`, { headers: { connection: 'close' } });
      return answering.add(headers.get('x-request-id')!.slice(0, 8)).size === 2;
    });
    const clients = load(group.address, 16);
    await until(() => clients.answered.length >= 400);
    await clients.stop();
    expect([clients.failed, new Set(clients.answered)]).toEqual([[], new Set([200])]);
    const count = clients.answered.length;
    expect(await group.metric('ortlet_requests_total{model="m",version="1",outcome="ok"}')).toEqual([count]);
    expect(await group.metric('ortlet_request_duration_seconds_count{model="m",version="1"}')).toEqual([count]);
    expect(await group.metric('ortlet_engines{model="m",version="1",state="ready"}')).toEqual([2]);
    expect(await group.metric('ortlet_model_state{model="m",version="1",state="READY"}')).toEqual([1]);
    expect(await group.metric('ortlet_replicas{state="ready"}')).toEqual([2]);
    const cpuSeconds = await group.metric('process_cpu_seconds_total{replica="[01]"}');
    expect([cpuSeconds.length, Math.min(...cpuSeconds) > 0]).toEqual([2, true]);
    for (const { tuning } of group.of('model loaded'))
      expect(tuning!.threads.reason).toContain('2 replicas of 1 instance');
    expect((await fetch(`${group.address}/v2/health/ready`)).status).toBe(200);
  });

  test('a replica that is killed under load is replaced, and what it had counted still counts', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using group = await startedGroup(repository.path);
    const clients = load(group.address, 8);
    await until(() => clients.answered.length >= 100);
    const ok = () => group.metric('ortlet_requests_total{model="m",version="1",outcome="ok"}');
    const [before] = await ok();
    process.kill(group.replicaPids()[0]!, 'SIGKILL');
    await until(() => group.replicaPids().length === 3);
    const answered = clients.answered.length;
    await until(() => clients.answered.length >= answered + 100);
    await clients.stop();
    // Those that it was answering are lost with it, one a client at most.
    expect(clients.failed.length).toBeLessThanOrEqual(8);
    expect(new Set(clients.answered)).toEqual(new Set([200]));
    expect((await ok())[0]).toBeGreaterThanOrEqual(before!);
    expect(await group.metric('ortlet_replica_exits_total')).toEqual([1]);
    expect(group.of('replica lost')).toMatchObject([{ how: 'was killed by SIGKILL', deaths: 1 }]);
  });

  test('SIGHUP under load replaces every replica, and no request fails', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using group = await startedGroup(repository.path);
    const old = group.replicaPids();
    const clients = load(group.address, 16);
    await until(() => clients.answered.length >= 100);
    group.child.kill('SIGHUP');
    await until(() => group.of('replicas rolled').length === 1, 20_000);
    const answered = clients.answered.length;
    await until(() => clients.answered.length >= answered + 100);
    await clients.stop();
    expect([clients.failed, new Set(clients.answered)]).toEqual([[], new Set([200])]);
    expect(old.map(alive)).toEqual([false, false]);
    expect(group.replicaPids().slice(2).map(alive)).toEqual([true, true]);
    const ok = await group.metric('ortlet_requests_total{model="m",version="1",outcome="ok"}');
    expect(ok).toEqual([clients.answered.length]);
    expect(await group.metric('ortlet_replica_exits_total')).toEqual([0]);
  });

  test('a roll is called off when the new replica is not ready, and the old ones serve on', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using group = await startedGroup(repository.path);
    repository.add('broken.onnx', 'no model');
    group.child.kill('SIGHUP');
    await until(() => group.of('roll called off').length === 1);
    expect(group.of('roll called off')).toMatchObject([{ how: expect.stringContaining("model 'broken' version 1") }]);
    expect(group.replicaPids().map(alive)).toEqual([true, true]);
    expect((await fetch(`${group.address}/v2/health/ready`)).status).toBe(200);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s under load ends every process, and the exit code is 0',
    async (signal) => {
      using repository = repositoryOf({ 'm.onnx': doubling() });
      using group = await startedGroup(repository.path);
      const clients = load(group.address, 4);
      await until(() => clients.answered.length >= 20);
      const stopped = clients.stop();
      group.child.kill(signal);
      expect(await group.exited).toBe(0);
      await stopped;
      expect(group.processes().length).toBe(4);
      expect(group.processes().filter(alive)).toEqual([]);
    },
  );

  test('when the supervisor is killed, no replica and no engine is left', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using group = await startedGroup(repository.path);
    expect(group.processes().filter(alive).length).toBe(4);
    group.child.kill('SIGKILL');
    await until(() => group.processes().filter(alive).length === 0);
  });

  test.each([
    [['--port', '1', '--host', '203.0.113.1'], 'EADDRNOTAVAIL'],
    [['--model-control', 'explicit'], "replicas '2' and modelControl 'explicit' exclude each other"],
    [['--models', '/nosuch'], "'/nosuch' is neither a folder of models nor an .onnx file"],
  ])('%j is one clear line and exit 1', (args, message) => {
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'serve', '--replicas', '2', ...args], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    });
    expect([status, stderr.split('\n').length]).toEqual([1, 2]);
    expect(stderr).toContain(message);
  });
});
