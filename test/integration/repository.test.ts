import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { doubling, identity, repositoryOf } from '../fixtures/models.ts';
import { type Graph, writeOnnx } from '../fixtures/onnx-writer.ts';
import { serverOf, until, x } from '../fixtures/server.ts';

const row = [x('FP32', [1, 2], [1, 2])];

async function explicitServer(files: Parameters<typeof repositoryOf>[0], settings: Record<string, unknown> = {}) {
  const repository = repositoryOf(files);
  const server = await serverOf(repository.path, { modelControl: 'explicit', ...settings });
  const control = async (model: string, action: 'load' | 'unload', parameters = {}) => {
    const { statusCode, body } = await server.app.inject({
      method: 'POST',
      url: `/v2/repository/models/${model}/${action}`,
      payload: JSON.stringify({ parameters }),
    });
    return { status: statusCode, body };
  };
  return {
    ...server,
    repository,
    control,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      repository[Symbol.dispose]();
    },
  };
}

test('a model that was added is served once it is loaded, and no more once it is unloaded', async () => {
  await using server = await explicitServer({ 'a.onnx': doubling() });
  expect((await server.infer('b', row)).status).toBe(404);
  server.repository.add('b/model.onnx', identity('float'));
  expect(await server.control('b', 'load')).toEqual({ status: 200, body: '' });
  expect((await server.infer('b', row)).body.outputs[0]!.data).toEqual([1, 2]);
  expect(await server.control('b', 'unload')).toEqual({ status: 200, body: '' });
  expect(await server.infer('b', row)).toMatchObject({
    status: 503,
    body: { error: expect.stringContaining('UNAVAILABLE, unloaded') },
  });
  expect(server.registry.unready).toBeUndefined();
});

test('a reload swaps in what is on disk now, without a failed request', async () => {
  await using server = await explicitServer({ 'm.onnx': identity('float') });
  let running = true;
  const answers: unknown[] = [];
  const client = (async () => {
    while (running) {
      const { status, body } = await server.infer('m', row);
      answers.push(status === 200 ? body.outputs[0]!.data[0] : body.error);
    }
  })();
  await until(() => answers.at(-1) === 1);
  server.repository.add('m.onnx', doubling());
  await server.control('m', 'load');
  await until(() => answers.at(-1) === 2);
  running = false;
  await client;
  expect((await server.infer('m', row)).body.outputs[0]!.data).toEqual([2, 4]);
  expect(new Set(answers)).toEqual(new Set([1, 2]));
});

test('a reload that fails says why, and the old version serves on', async () => {
  await using server = await explicitServer({ 'm.onnx': doubling() });
  server.repository.add('m.onnx', 'garbage');
  expect(await server.control('m', 'load')).toMatchObject({
    status: 422,
    body: expect.stringContaining("failed to load 'm'"),
  });
  expect((await server.infer('m', row)).status).toBe(200);
});

test('files that cannot be read are told without their paths', async () => {
  await using server = await explicitServer({ 'm/model.onnx': doubling() });
  mkdirSync(join(server.repository.path, 'm', 'config.yaml'));
  const { status, body } = await server.control('m', 'load');
  expect([status, body]).toEqual([422, expect.stringContaining('its config.yaml is not a regular file')]);
  rmSync(server.repository.path, { recursive: true });
  const gone = await server.control('m', 'load');
  expect([gone.status, gone.body]).toEqual([422, expect.stringContaining('the folder of models is gone')]);
  expect(`${body}${gone.body}`).not.toContain(server.repository.path);
  expect((await server.infer('m', row)).status).toBe(200);
});

test('loading what is not there is a 404; unloading it is fine', async () => {
  await using server = await explicitServer({ 'm.onnx': doubling() });
  expect(await server.control('nosuch', 'load')).toMatchObject({
    status: 404,
    body: expect.stringContaining('failed to poll from model repository'),
  });
  expect((await server.control('nosuch', 'unload')).status).toBe(200);
});

test('files deleted in service do not matter to what is loaded', async () => {
  await using server = await explicitServer({ 'm.onnx': doubling() });
  rmSync(`${server.repository.path}/m.onnx`);
  expect((await server.infer('m', row)).status).toBe(200);
});

test('loads and unloads of one name that come at once leave a whole state', async () => {
  await using server = await explicitServer({ 'm.onnx': doubling() });
  await Promise.all(
    ['unload', 'load', 'load', 'unload', 'load'].map((action) => server.control('m', action as 'load')),
  );
  expect((await server.infer('m', row)).status).toBe(200);
});

const CONFIG = JSON.stringify({
  max_batch_size: '4',
  input: [{ name: 'x', data_type: 'TYPE_FP32', dims: ['2'] }],
  output: [{ name: 'y', data_type: 'TYPE_FP32', dims: ['2'] }],
});
const base64 = (graph: Graph) => Buffer.from(writeOnnx(graph)).toString('base64');

test('a load request may bring a configuration and files, where the setting allows it, until the model is unloaded', async () => {
  await using server = await explicitServer({ 'm/model.onnx': identity('float') }, { loadOverrides: 'files' });
  const configured = async () => (await server.app.inject('/v2/models/m/config')).json().max_batch_size;
  expect(await server.control('m', 'load', { config: CONFIG })).toMatchObject({ status: 200 });
  expect([await configured(), (await server.infer('m', row)).body.outputs[0]!.data]).toEqual([4, [1, 2]]);

  const files = { config: CONFIG, 'file:7/model.onnx': base64(doubling()) };
  expect(await server.control('m', 'load', files)).toMatchObject({ status: 200 });
  expect((await server.infer('m', row)).body).toMatchObject({ model_version: '7', outputs: [{ data: [2, 4] }] });
  // A plain load keeps what was sent; unloaded and loaded again, the model is the one on disk.
  expect(await server.control('m', 'load')).toMatchObject({ status: 200 });
  expect((await server.infer('m', row)).body.model_version).toBe('7');
  await server.control('m', 'unload');
  expect(await server.control('m', 'load')).toMatchObject({ status: 200 });
  expect((await server.infer('m', row)).body).toMatchObject({ model_version: '1', outputs: [{ data: [1, 2] }] });

  expect(await server.control('new', 'load', files)).toMatchObject({ status: 200 });
  expect((await server.infer('new', row)).body.outputs[0]!.data).toEqual([2, 4]);
});

test('what a load request brings is refused when it is wrong, leads out of the model or is not allowed', async () => {
  await using server = await explicitServer({ 'm/model.onnx': identity('float') }, { loadOverrides: 'files' });
  const load = (parameters: Record<string, unknown>) => server.control('m', 'load', parameters);
  const model = base64(doubling());
  for (const path of [
    '../m/1/model.onnx',
    '/1/model.onnx',
    '1/../../model.onnx',
    '01/model.onnx',
    '1\\model.onnx',
    '..',
  ]) {
    expect(await load({ config: CONFIG, [`file:${path}`]: model }), path).toMatchObject({
      status: 422,
      body: expect.stringContaining("failed to load 'm'"),
    });
  }
  expect(await load({ 'file:1/model.onnx': model })).toMatchObject({ status: 422 });
  expect(await load({ config: CONFIG, 'file:1/model.onnx': 'no base64!' })).toMatchObject({ status: 422 });
  expect(await load({ config: CONFIG, other: 'x' })).toMatchObject({ status: 422 });
  expect(await load({ config: '{' })).toMatchObject({ status: 422, body: expect.stringContaining('not valid JSON') });
  expect(await load({ config: CONFIG, 'file:1/model.onnx': 'AAAA' })).toMatchObject({ status: 422 });
  // Whatever was refused, the model serves on.
  expect((await server.infer('m', row)).body.outputs[0]!.data).toEqual([1, 2]);

  await using strict = await explicitServer({ 'm/model.onnx': identity('float') });
  expect(await strict.control('m', 'load', { config: CONFIG })).toMatchObject({
    status: 403,
    body: expect.stringContaining("loadOverrides 'off'"),
  });
});

test('with modelControl poll, what changes on disk is served by itself, and what goes is unloaded', async () => {
  using repository = repositoryOf({ 'm/model.onnx': identity('float'), 'gone/model.onnx': identity('float') });
  const settings = { modelControl: 'poll', pollIntervalMs: 20, port: 0 };
  await using server = await serverOf(repository.path, settings);
  await server.start();
  expect((await server.infer('m', row)).body.outputs[0]!.data).toEqual([1, 2]);
  repository.add('m/model.onnx', doubling());
  repository.add('new/model.onnx', doubling());
  rmSync(`${repository.path}/gone`, { recursive: true });
  await until(async () => (await server.infer('m', row)).body.outputs?.[0]?.data[0] === 2);
  await until(async () => (await server.infer('new', row)).status === 200);
  await until(async () => (await server.infer('gone', row)).status === 503);
  const { statusCode } = await server.app.inject({ method: 'POST', url: '/v2/repository/models/m/load' });
  expect(statusCode).toBe(403);
});
