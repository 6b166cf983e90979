// What models and engines can do to the server: nothing.

import { existsSync, readFileSync, readlinkSync, renameSync, rmSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EnginePool } from '../../src/execution/engine-pool.ts';
import {
  doubling,
  endless,
  identity,
  int4Output,
  lookup,
  repositoryOf,
  rowsMinusMean,
  slow,
} from '../fixtures/models.ts';
import { serverOf, until, x } from '../fixtures/server.ts';

const row = (...data: number[]) => [x('FP32', [1, data.length], data)];

/** Process ids of a model's engines, from the log: the last is the one that serves, those that a plan was tried with come first. */
const enginePids = (lines: readonly string[], model: string): number[] =>
  lines
    .map((line) => JSON.parse(line))
    .flatMap((l) => (l.msg === 'engine started' && l.model === model ? [l.enginePid] : []));

describe('a model that cannot serve is UNAVAILABLE with its reason, and the others serve', () => {
  test.each([
    ['an INT4 output, which aborts onnxruntime', int4Output(), "output 'y' has the type int4"],
    ['a run that never ends', endless(), 'The run took longer than its limit of 1 s and was stopped'],
    ['an empty file', new Uint8Array(), 'is empty'],
    [
      'a file of another kind',
      Buffer.from('not a model, but long enough to look like one'),
      'is damaged, cut short or of another kind',
    ],
  ])('%s', async (_, model, reason) => {
    using repository = repositoryOf({ 'bad/model.onnx': model, 'good/model.onnx': doubling() });
    await using server = await serverOf(repository.path, { runLimitMs: 1000 });
    expect(server.registry.index()).toContainEqual({
      name: 'bad',
      version: '1',
      state: 'UNAVAILABLE',
      reason: expect.stringContaining(reason),
    });
    const refused = await server.infer('bad', row(1, 2));
    expect([refused.status, refused.body.error]).toEqual([503, expect.stringContaining(reason)]);
    expect(refused.body.error).not.toContain(repository.path);
    expect((await server.infer('good', row(1, 2))).body.outputs[0]!.data).toEqual([2, 4]);
  });

  test('an engine that is killed while it loads', async () => {
    using repository = repositoryOf({ 'm.onnx': endless() });
    const session = {
      modelPath: `${repository.path}/m.onnx`,
      executionProviders: [{ name: 'cpu', required: false }],
      intraOpNumThreads: 1,
    };
    const observer = {
      engineStarted() {},
      engineExited() {},
      engineRecycled() {},
      engineLog() {},
      enginesChanged() {},
    };
    const pool = EnginePool.start({ session, instances: 1, loadLimitMs: 1, runLimitMs: 1000 }, observer);
    await expect(pool).rejects.toMatchObject({
      code: 'MODEL_LOAD_FAILED',
      message: expect.stringContaining('was killed by SIGKILL'),
    });
  });
});

test('every datatype goes through the runtime and comes back', async () => {
  const cases = {
    bool: ['BOOL', [true, false]],
    uint8: ['UINT8', [0, 255]],
    uint16: ['UINT16', [0, 65_535]],
    uint32: ['UINT32', [0, 4_294_967_295]],
    uint64: ['UINT64', [0, 18]],
    int8: ['INT8', [-128, 127]],
    int16: ['INT16', [-32_768, 32_767]],
    int32: ['INT32', [-2_147_483_648, 2_147_483_647]],
    int64: ['INT64', [-7, 7]],
    float16: ['FP16', [-0.5, 65_504]],
    float: ['FP32', [0.1, -3.4e38]],
    double: ['FP64', [0.1, 1e300]],
    string: ['BYTES', ['ä€𝄞', '']],
  } as const;
  using repository = repositoryOf(
    Object.fromEntries(Object.keys(cases).map((type) => [`${type}.onnx`, identity(type as 'bool')])),
  );
  await using server = await serverOf(repository.path);
  for (const [type, [datatype, data]] of Object.entries(cases)) {
    const { body } = await server.infer(type, [x(datatype, [1, 2], data)]);
    expect(body.outputs).toEqual([{ name: 'y', datatype, shape: [1, 2], data }]);
  }
});

test('a model whose rows depend on each other is found out and not batched', async () => {
  using repository = repositoryOf({ 'm.onnx': rowsMinusMean() });
  await using server = await serverOf(repository.path);
  const { batching } = server.registry.resolve('m').facts;
  expect(batching).toMatchObject({ enabled: false, reason: "output 'y' of a row differs when other rows run with it" });
  const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => server.infer('m', row(i, i))));
  for (const { body } of answers) expect(body.outputs[0]!.data).toEqual([0, 0]);
});

test('a row that the model refuses when it runs fails alone, with a 4xx and no internals', async () => {
  using repository = repositoryOf({ 'm.onnx': lookup() });
  await using server = await serverOf(repository.path);
  const answers = await Promise.all([0, 9, 1, 2, 3].map((index) => server.infer('m', [x('INT64', [1], [index])])));
  expect(answers.map(({ status }) => status)).toEqual([200, 422, 200, 200, 200]);
  expect(answers[1]!.body.error).not.toMatch(/onnxruntime|\//);
});

test('an unknown execution provider falls back with its reason in the metadata, or fails the load when it is required', async () => {
  using repository = repositoryOf({
    'm.onnx': doubling(),
    'n/model.onnx': doubling(),
    'n/config.yaml': 'executionProviders: [{name: cuda, required: true}]',
  });
  await using server = await serverOf(repository.path, { executionProviders: 'cuda,cpu' });
  const { parameters } = (await server.app.inject('/v2/models/m')).json();
  expect(parameters).toMatchObject({
    execution_provider: 'cpu',
    execution_provider_reason: 'cuda could not be used here',
  });
  const [entry] = server.registry.index().filter(({ name }) => name === 'n');
  expect(entry).toMatchObject({ state: 'UNAVAILABLE', reason: expect.stringContaining("execution provider 'cuda'") });
});

test('kill -9 of an engine under load fails no request, and the model is back', async () => {
  using repository = repositoryOf({ 'm.onnx': slow() });
  const lines: string[] = [];
  await using server = await serverOf(repository.path, { threads: 1 }, lines);
  const statuses: number[] = [];
  let running = true;
  const clients = Array.from({ length: 8 }, async () => {
    while (running) statuses.push((await server.infer('m', [x('FP32', [1, 1], [50])])).status);
  });
  for (let kills = 0; kills < 4; kills++) {
    // One kill at a time: a request that meets two of them may be refused.
    const answered = statuses.length;
    await until(() => statuses.length > answered + 16);
    const pids = enginePids(lines, 'm');
    process.kill(pids.at(-1)!, 'SIGKILL');
    await until(() => enginePids(lines, 'm').length === pids.length + 1);
  }
  running = false;
  await Promise.all(clients);
  expect(new Set(statuses)).toEqual(new Set([200]));
});

test('a run over its limit gets its engine killed; the request is told, the next one is answered', async () => {
  using repository = repositoryOf({ 'm.onnx': slow() });
  await using server = await serverOf(repository.path, { runLimitMs: 1000 });
  const refused = await server.infer('m', [x('FP32', [1, 1], [1e9])]);
  expect([refused.status, refused.body.error]).toEqual([504, expect.stringContaining('limit of 1 s')]);
  // Alone in its run, it is not given another engine to hold.
  expect((await server.app.inject('/metrics')).body).toMatch(/^ortlet_engine_exits_total.* 1$/m);
  expect((await server.infer('m', [x('FP32', [1, 1], [1])])).status).toBe(200);
});

test('an engine that hangs is killed at the run limit, and a request that was alone with it is answered by the next', async () => {
  using repository = repositoryOf({ 'm.onnx': doubling() });
  const lines: string[] = [];
  await using server = await serverOf(repository.path, { runLimitMs: 500, instances: 1 }, lines);
  process.kill(enginePids(lines, 'm').at(-1)!, 'SIGSTOP');
  const { status, body } = await server.infer('m', row(1, 2));
  expect([status, body.outputs[0]!.data]).toEqual([200, [2, 4]]);
  expect(lines.join('\n')).toContain('was killed: it hung');
});

test('health and metrics answer while every engine is busy', async () => {
  using repository = repositoryOf({ 'm.onnx': slow() });
  await using server = await serverOf(repository.path);
  const address = await server.app.listen({ port: 0 });
  let finished = false;
  const busy = server.infer('m', [x('FP32', [1, 1], [20_000])]).then(() => {
    finished = true;
  });
  const times: number[] = [];
  while (!finished && times.length < 400) {
    for (const path of ['/v2/health/live', '/metrics']) {
      const startedAt = performance.now();
      expect((await fetch(address + path)).status).toBe(200);
      times.push(performance.now() - startedAt);
    }
  }
  const answeredMeanwhile = times.length;
  await busy;
  const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!;
  console.log(`health and metrics while the engine runs: ${times.length} answers, p99 ${p99.toFixed(1)} ms`);
  expect(answeredMeanwhile).toBeGreaterThan(20);
});

test('a client that goes away frees its place: what it asked for is not run', async () => {
  using repository = repositoryOf({ 'm.onnx': slow() });
  await using server = await serverOf(repository.path);
  const address = await server.app.listen({ port: 0 });
  const post = (steps: number, signal: AbortSignal | null = null) =>
    fetch(`${address}/v2/models/m/infer`, {
      method: 'POST',
      signal,
      body: JSON.stringify({ inputs: [x('FP32', [1, 1], [steps])] }),
    });
  const first = post(5000);
  const leaving = new AbortController();
  const second = post(1e6, leaving.signal);
  const metric = async (name: string) =>
    new RegExp(`^${name}.* (\\d+)$`, 'm').exec(await (await fetch(`${address}/metrics`)).text())?.[1];
  leaving.abort();
  await expect(second).rejects.toThrow();
  expect((await first).status).toBe(200);
  // Were it run, this one would wait for a million steps.
  expect((await post(1)).status).toBe(200);
  expect(await metric('ortlet_queue_depth')).toBe('0');
});

test('deadlines come from the header and from the timeout parameter, whichever is sooner', async () => {
  using repository = repositoryOf({ 'm.onnx': slow() });
  await using server = await serverOf(repository.path);
  const slowRow = [x('FP32', [1, 1], [5000])];
  expect((await server.infer('m', slowRow, { headers: { 'x-request-timeout-ms': '20' } })).status).toBe(504);
  const running = server.infer('m', slowRow);
  await until(async () => /^ortlet_requests_in_flight.* 1$/m.test((await server.app.inject('/metrics')).body));
  const late = await server.infer('m', slowRow, { parameters: { timeout: 10_000 } });
  expect([late.status, late.body.error, late.headers['retry-after']]).toEqual([
    503,
    expect.stringContaining('timeout expired'),
    expect.stringMatching(/^\d+$/),
  ]);
  expect((await running).status).toBe(200);
  expect((await server.infer('m', slowRow, { headers: { 'x-request-timeout-ms': 'soon' } })).status).toBe(400);
});

test('an engine that replaces a dead one has the model that was loaded, whatever has become of its file', async () => {
  using repository = repositoryOf({ 'gone.onnx': doubling(), 'replaced.onnx': doubling(), 'changed.onnx': doubling() });
  const lines: string[] = [];
  await using server = await serverOf(repository.path, {}, lines);
  rmSync(`${repository.path}/gone.onnx`);
  repository.add('next', identity('float'));
  renameSync(`${repository.path}/next`, `${repository.path}/replaced.onnx`);
  repository.add('changed.onnx', identity('float'));
  for (const model of ['gone', 'replaced', 'changed']) {
    process.kill(enginePids(lines, model).at(-1)!, 'SIGKILL');
    await until(() => lines.some((line) => JSON.parse(line).model === model && line.includes('"engine lost"')));
  }
  for (const model of ['gone', 'replaced']) {
    expect((await server.infer(model, row(1, 2))).body.outputs[0]!.data).toEqual([2, 4]);
  }
  const refused = await server.infer('changed', row(1, 2));
  expect([refused.status, refused.body.error]).toEqual([503, expect.stringContaining('load the model again')]);
});

test('a budget that the model alone goes beyond fails its load', async () => {
  using repository = repositoryOf({ 'm/model.onnx': doubling(), 'm/config.yaml': 'maxEngineBytes: 1048576' });
  await using server = await serverOf(repository.path);
  expect(server.registry.index()[0]).toMatchObject({
    state: 'UNAVAILABLE',
    reason: expect.stringMatching(/^an engine holds \d+ MiB with the model loaded, and maxEngineBytes is 1 MiB$/),
  });
});

test('an engine is the first that the kernel ends where memory runs out', async () => {
  using repository = repositoryOf({ 'm.onnx': doubling() });
  const lines: string[] = [];
  await using _server = await serverOf(repository.path, {}, lines);
  const pid = enginePids(lines, 'm').at(-1);
  expect(Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'))).toBeGreaterThanOrEqual(500);
});

test.skipIf(!existsSync('/dev/shm'))(
  'large tensors go through memory that an engine shares with the server',
  async () => {
    using repository = repositoryOf({ 'm.onnx': identity('float', ['batch', 40_000]) });
    const lines: string[] = [];
    await using server = await serverOf(repository.path, {}, lines);
    const memory = `/proc/${enginePids(lines, 'm').at(-1)}/fd/5`;
    expect(readlinkSync(memory)).toMatch(/^\/dev\/shm\/ortlet-\S+ \(deleted\)$/);
    const data = Array.from({ length: 40_000 }, (_, i) => i);
    for (const rows of [1, 2]) {
      const sent = Array.from({ length: rows }, () => data).flat();
      const { body } = await server.infer('m', [x('FP32', [rows, 40_000], sent)]);
      expect(body.outputs[0]!.data).toEqual(sent);
      expect(statSync(memory).size).toBeGreaterThanOrEqual(4 * sent.length);
    }
  },
);
