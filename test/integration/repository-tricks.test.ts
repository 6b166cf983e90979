// What lies in a folder of models besides models: nothing of it is read, and none of it keeps the models from serving.

import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { scanRepository } from '../../src/repository/repository.ts';
import { doubling, repositoryOf } from '../fixtures/models.ts';
import { serverOf, x } from '../fixtures/server.ts';

const row = [x('FP32', [1, 2], [1, 2])];

test('pipes, folders, links and devices in place of files are named as what is wrong, and the others serve', async () => {
  using outside = repositoryOf({ 'secret.onnx': doubling(), 'labels.txt': 'secret', 'folder/model.onnx': doubling() });
  using repository = repositoryOf({ 'good/model.onnx': doubling(), 'good/labels.txt': 'a\nb' });
  const put = (name: string, make: (path: string) => void) => {
    mkdirSync(`${repository.path}/${name}`);
    make(`${repository.path}/${name}`);
  };
  const pipe = (path: string) => execFileSync('mkfifo', [path]);
  put('pipe', (folder) => pipe(`${folder}/model.onnx`));
  put('directory', (folder) => mkdirSync(`${folder}/model.onnx`));
  put('device', (folder) => symlinkSync('/dev/zero', `${folder}/model.onnx`));
  put('escape', (folder) => symlinkSync(`${outside.path}/secret.onnx`, `${folder}/model.onnx`));
  put('version', (folder) => symlinkSync(`${outside.path}/folder`, `${folder}/1`));
  symlinkSync(`${outside.path}/folder`, `${repository.path}/linked`);
  symlinkSync('loop', `${repository.path}/loop`);
  symlinkSync('nowhere', `${repository.path}/dangling.onnx`);
  pipe(`${repository.path}/pipe.onnx`);
  const withConfig = { 'config.yaml': pipe, 'config.pbtxt': pipe, 'labels.txt': pipe };
  for (const [file, make] of Object.entries(withConfig)) {
    repository.add(`bad ${file}/model.onnx`, doubling());
    make(`${repository.path}/bad ${file}/${file}`);
  }
  repository.add('leak/model.onnx', doubling());
  symlinkSync(`${outside.path}/labels.txt`, `${repository.path}/leak/labels.txt`);

  await using server = await serverOf(repository.path);
  const states = Object.fromEntries(
    server.registry.index().map(({ name, state, reason }) => [name, `${state} ${reason}`]),
  );
  expect(states).toEqual({
    good: 'READY ',
    directory: expect.stringContaining('its model.onnx is not a regular file'),
    pipe: expect.stringContaining('its model.onnx is not a regular file'),
    'bad config.yaml': expect.stringContaining('its config.yaml is not a regular file in its folder'),
    'bad config.pbtxt': expect.stringContaining('its config.pbtxt is not a regular file in its folder'),
    'bad labels.txt': expect.stringContaining('its labels.txt is not a regular file in its folder'),
    leak: expect.stringContaining('its labels.txt is not a regular file in its folder'),
  });
  expect((await server.infer('good', row)).body.outputs[0]!.data).toEqual([2, 4]);
});

test('names that climb, break lines or are not text are no models', async () => {
  const names = ['..x', '.hidden', 'a\nb', 'a\u202eb', '-rf', 'a:b', '<b>', 'x'.repeat(200), 'a\\b', '%2e%2e'];
  using repository = repositoryOf({
    'good/model.onnx': doubling(),
    ...Object.fromEntries(names.map((name) => [`${name}/model.onnx`, doubling()])),
  });
  expect(scanRepository(repository.path).map(({ name }) => name)).toEqual(['good']);
});
