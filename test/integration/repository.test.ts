import { rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { doubling, identity, repositoryOf } from '../fixtures/models.ts';
import { serverOf, until, x } from '../fixtures/server.ts';

const row = [x('FP32', [1, 2], [1, 2])];

async function explicitServer(files: Parameters<typeof repositoryOf>[0]) {
  const repository = repositoryOf(files);
  const server = await serverOf(repository.path, { modelControl: 'explicit' });
  const control = async (model: string, action: 'load' | 'unload') => {
    const { statusCode, body } = await server.app.inject({
      method: 'POST',
      url: `/v2/repository/models/${model}/${action}`,
      payload: '{}',
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
