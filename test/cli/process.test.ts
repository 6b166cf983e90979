// The program as people run it: arguments, exit codes, signals.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { doubling, int4Output, lookup, repositoryOf, slow } from '../fixtures/models.ts';
import { until, x } from '../fixtures/server.ts';

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname;

const run = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  });
  return { status, stdout, stderr };
};

async function started(models: string, ...args: string[]) {
  const child = spawn(process.execPath, [MAIN, 'serve', models, '--port', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const lines: { msg: string; address?: string; enginePid?: number }[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  await until(() => lines.some(({ msg }) => msg === 'ready'));
  const address = lines.find(({ msg }) => msg === 'ready')!.address!;
  return { child, exited, lines, address, [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

const alive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('commands', () => {
  test('check loads every model, prints what it found, and fails if one fails', () => {
    using repository = repositoryOf({ 'good.onnx': doubling(), 'bad.onnx': int4Output() });
    const { status, stdout } = run('check', repository.path);
    expect(status).toBe(1);
    expect(stdout).toContain(
      'OK good version 1\n  input   x FP32 [batch, 2]\n  output  y FP32 [batch, 2]\n  batch   up to 32 rows',
    );
    expect(stdout).toMatch(/FAILED bad version 1\n {2}.*int4/);
    expect(stdout).toContain('1 loaded, 1 failed');
    expect(run('check', `${repository.path}/good.onnx`).status).toBe(0);
  });

  test('tune measures a model, prints what it found, and later starts use it', () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    const profiles = `${repository.path}/profiles`;
    const { status, stdout } = run('tune', 'm', '--models', repository.path, '--profiles', profiles);
    expect(status).toBe(0);
    expect(stdout).toContain('◀ knee');
    expect(stdout).toContain('Plans, every engine busy:');
    const [file] = readdirSync(profiles);
    const check = () => run('check', repository.path, '--instances', 'auto', '--profiles', profiles).stdout;
    expect(check()).toContain('as the profile says');
    writeFileSync(`${profiles}/${file}`, '{}');
    expect(check()).not.toContain('as the profile says');
    expect(run('tune', 'm', '--models', repository.path, '--profiles', `${repository.path}/m.onnx`)).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^ortlet: profiles: '.*' cannot be written/),
    });
    expect(run('tune', 'other', '--models', repository.path)).toMatchObject({
      status: 1,
      stderr: `ortlet: no model 'other' in ${repository.path}. Models: m\n`,
    });
  }, 60_000);

  test('inspect says what a file says about itself, and what is no ONNX file', () => {
    const { status, stdout } = run('inspect', 'models/langid/model.onnx');
    expect(status).toBe(0);
    expect(stdout).toContain('input      ngram_freq tensor(float) [batch, 620]');
    expect(run('inspect', 'package.json')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('not an ONNX model'),
    });
    expect(run('inspect')).toMatchObject({ status: 1, stderr: 'ortlet: inspect needs the path of an .onnx file\n' });
  });

  test('types prints the same of files and of a server that has loaded them', async () => {
    const shipped = readFileSync('test/fixtures/shipped-models.ts', 'utf8');
    // ortlet types models > test/fixtures/shipped-models.ts
    expect(run('types', 'models')).toEqual({ status: 0, stdout: shipped, stderr: '' });
    expect(run('types', '--models', 'models').stdout).toBe(shipped);
    using server = await started('models');
    expect(run('types', server.address)).toEqual({ status: 0, stdout: shipped, stderr: '' });
    const one = run('types', `${server.address}/v2/models/iris-zipmap`).stdout;
    expect(one).toBe(run('types', 'models/iris-zipmap').stdout);
    expect(one).toContain("export interface Models {\n  'iris-zipmap': IrisZipmapModel;\n}");
  });

  test('types follows the version policy', () => {
    using repository = repositoryOf({
      'm/1/model.onnx': doubling(),
      'm/2/model.onnx': lookup(),
      'm/config.yaml': 'versions: { specific: [1] }',
    });
    expect(run('types', repository.path).stdout).toContain("x: { datatype: 'FP32'; shape: [number, 2]");
  });

  test('types names what it leaves out, and fails', async () => {
    using repository = repositoryOf({
      'good.onnx': doubling(),
      'damaged.onnx': 'no model',
      'hidden.onnx': int4Output(),
      'odd.onnx': { ...doubling(), inputs: [{ name: 'x', type: 'int4', shape: [1] }] },
    });
    const { status, stdout, stderr } = run('types', repository.path);
    expect([status, stdout.match(/\w+Model;/g)]).toEqual([1, ['GoodModel;']]);
    expect(stderr).toMatch(
      /^ortlet: left out: model 'damaged': not an ONNX model.*\n.*'hidden': it has no output.*\n.*'odd': input 'x' is tensor\(int4\)/,
    );
    using server = await started(repository.path);
    const asked = run('types', server.address);
    expect([asked.status, asked.stdout.match(/\w+Model;/g)]).toEqual([1, ['GoodModel;']]);
    expect(asked.stderr).toContain("left out: Request for model 'damaged'");
    expect(run('types', `${server.address}/v2/models/nosuch`)).toMatchObject({
      status: 1,
      stderr: "ortlet: left out: Request for unknown model: 'nosuch' is not found\n",
    });
  });

  test('key makes a key that a server knows by the line printed with it, another one each time', async () => {
    const { status, stdout } = run('key', 'ci');
    expect(status).toBe(0);
    const [key] = stdout.match(/ortlet_[\w-]{43}/) ?? [];
    const [, line] = stdout.match(/ORTLET_API_KEYS=(\S+)/) ?? [];
    expect(line).toBe(`ci:${createHash('sha256').update(key!).digest('hex')}:infer`);
    expect(run('key', 'ci').stdout).not.toContain(key);
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using server = await started(repository.path, '--api-keys', line!);
    const models = (headers = {}) => fetch(`${server.address}/v2/models`, { headers });
    expect((await models()).status).toBe(401);
    expect((await models({ authorization: `Bearer ${key}` })).status).toBe(200);
    for (const args of [['key'], ['key', 'a b']]) expect(run(...args)).toMatchObject({ status: 1, stdout: '' });
  });

  test('config prints the effective settings; help names every one of them', () => {
    expect(run('config', '--port', '1234').stdout).toContain('port: 1234\n');
    const { stdout } = run('--help');
    expect(stdout).toContain('ORTLET_MAX_BATCH_SIZE');
    expect(stdout).toContain('--request-timeout-ms');
  });

  test.each([
    [['--prot', '1'], "Unknown option '--prot'"],
    [['serve', '--port', 'x'], "setting 'port' on the command line"],
    [['fly'], "unknown command 'fly'"],
    [['serve', '/nosuch'], "'/nosuch' is neither a folder of models nor an .onnx file"],
    [['serve', 'a', 'b'], "'serve' takes one path at most"],
    [['types', '/nosuch'], "'/nosuch' is neither a folder of models nor an .onnx file"],
    [['types', 'http://127.0.0.1:1'], 'no answer from http://127.0.0.1:1: '],
  ])('%j is one clear line and exit 1', (args, message) => {
    const { status, stderr } = run(...args);
    expect([status, stderr.split('\n').length]).toEqual([1, 2]);
    expect(stderr).toContain(message);
  });

  test('a port in use is one clear line and exit 1', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using first = await started(repository.path);
    const { status, stderr } = run('serve', repository.path, '--port', new URL(first.address).port);
    expect(status).toBe(1);
    expect(stderr).toContain('EADDRINUSE');
  });
});

describe('the end', () => {
  test('SIGTERM under load answers every accepted request, ends the engines, and exits 0', async () => {
    using repository = repositoryOf({ 'm.onnx': slow() });
    using server = await started(repository.path);
    const body = JSON.stringify({ inputs: [x('FP32', [1, 1], [2000])] });
    const post = () =>
      fetch(`${server.address}/v2/models/m/infer`, { method: 'POST', body }).then(async (response) => {
        await response.arrayBuffer();
        return response.status;
      });
    const inside = Array.from({ length: 8 }, post);
    // All of them accepted: a connection that nobody has read from yet is no accepted request.
    const accepted = async () => {
      const metrics = await (await fetch(`${server.address}/metrics`)).text();
      const counts = [...metrics.matchAll(/^ortlet_(?:queue_depth|requests_in_flight){.* (\d+)$/gm)];
      return counts.reduce((sum, [, count]) => sum + Number(count), 0);
    };
    await until(async () => (await accepted()) === 8);
    server.child.kill('SIGTERM');
    expect(await Promise.all(inside)).toEqual(Array(8).fill(200));
    expect(await server.exited).toBe(0);
    const engines = server.lines.flatMap(({ msg, enginePid }) => (msg === 'engine started' ? [enginePid!] : []));
    expect(engines.map(alive)).toEqual(engines.map(() => false));
  });

  test('a run that outlives the drain limit is cut short, and the exit code says so', async () => {
    using repository = repositoryOf({ 'm.onnx': slow() });
    using server = await started(repository.path, '--drain-timeout-ms', '300');
    const body = JSON.stringify({ inputs: [x('FP32', [1, 1], [1e9])] });
    const cut = fetch(`${server.address}/v2/models/m/infer`, { method: 'POST', body }).then(
      ({ status }) => status,
      () => 'closed',
    );
    await until(async () =>
      /^ortlet_requests_in_flight.* 1$/m.test(await (await fetch(`${server.address}/metrics`)).text()),
    );
    server.child.kill('SIGTERM');
    expect(await server.exited).toBe(1);
    expect(await cut).not.toBe(200);
  });

  test('engines end by themselves when the server is killed', async () => {
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using server = await started(repository.path);
    const [engine] = server.lines.flatMap(({ enginePid }) => enginePid ?? []);
    expect(alive(engine!)).toBe(true);
    server.child.kill('SIGKILL');
    await until(() => !alive(engine!));
  });
});
