import { mkdirSync, symlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { settingsSchema } from '../../src/config/schema.ts';
import { readModelConfig } from '../../src/model/config.ts';
import { pickVersions } from '../../src/model/version-policy.ts';
import { scanRepository } from '../../src/repository/repository.ts';
import { repositoryOf } from '../fixtures/models.ts';

const scan = (path: string) => scanRepository(path).map(({ name, versions }) => [name, [...versions.keys()]]);

test('all layouts that people have are understood', () => {
  using repository = repositoryOf({
    'triton/1/model.onnx': 'x',
    'triton/10/model.onnx': 'x',
    'flat/model.onnx': 'x',
    'loose.onnx': 'x',
    'notes/readme.txt': 'x',
  });
  expect(scan(repository.path)).toEqual([
    ['flat', [1]],
    ['loose', [1]],
    ['triton', [1, 10]],
  ]);
  expect(scan(`${repository.path}/loose.onnx`)).toEqual([['loose', [1]]]);
  expect(scan(`${repository.path}/flat`)).toEqual([['flat', [1]]]);
  expect(scan(`${repository.path}/flat/model.onnx`)).toEqual([['flat', [1]]]);
});

test('versions that are no whole numbers, or start with 0, are no versions', () => {
  using repository = repositoryOf({
    'm/01/model.onnx': 'x',
    'm/x/model.onnx': 'x',
    'm/0/model.onnx': 'x',
    'm/7/model.onnx': 'x',
  });
  expect(scan(repository.path)).toEqual([['m', [7]]]);
});

test('links that lead out of the repository and names that do not fit a URL are passed over', () => {
  using outside = repositoryOf({ 'model.onnx': 'x' });
  using repository = repositoryOf({ 'ok/model.onnx': 'x', 'new\nline/model.onnx': 'x', '-dash/model.onnx': 'x' });
  mkdirSync(`${repository.path}/linked`);
  symlinkSync(`${outside.path}/model.onnx`, `${repository.path}/linked/model.onnx`);
  expect(scan(repository.path)).toEqual([['ok', [1]]]);
});

test('a path without models is told apart from one that does not exist', () => {
  using repository = repositoryOf({});
  expect(scan(repository.path)).toEqual([]);
  expect(() => scan(`${repository.path}/nosuch`)).toThrow('neither a folder of models nor an .onnx file');
});

test('version policies: the newest n, all, or those named', () => {
  expect(pickVersions([10, 9, 1], { latest: 2 })).toEqual([9, 10]);
  expect(pickVersions([10, 9, 1], 'all')).toEqual([1, 9, 10]);
  expect(pickVersions([10, 9, 1], { specific: [1, 3] })).toEqual([1]);
});

test("a model's config.yaml wins over the settings, and a wrong key in it is named", () => {
  using repository = repositoryOf({
    'good/config.yaml': 'maxBatchSize: 4',
    'bad/config.yaml': 'maxBatch: 4',
    'ugly/config.yaml': 'a: [',
  });
  const defaults = settingsSchema.parse({});
  expect(readModelConfig('good', `${repository.path}/good`, defaults).settings).toMatchObject({
    maxBatchSize: 4,
    instances: 1,
  });
  expect(() => readModelConfig('bad', `${repository.path}/bad`, defaults)).toThrow(/config.yaml is wrong: .*maxBatch/);
  expect(() => readModelConfig('ugly', `${repository.path}/ugly`, defaults)).toThrow('not valid YAML');
});
