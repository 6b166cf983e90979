// Starts with `instances: auto` and a profile.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { settingsSchema } from '../../src/config/schema.ts';
import { coresOf, readCpuLimits } from '../../src/execution/cpu-plan.ts';
import { EnginePool } from '../../src/execution/engine-pool.ts';
import { readModelConfig } from '../../src/model/config.ts';
import { profileKey, writeProfile } from '../../src/model/profile.ts';
import { UNOBSERVED } from '../../src/model/tuning.ts';
import { doubling, repositoryOf } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';

test('a profile is served as it is, a foreign one is passed over with a line in the log, also when loading again', async () => {
  using repository = repositoryOf({ 'm/model.onnx': doubling() });
  const profiles = join(repository.path, 'm', 'profiles');
  const path = join(repository.path, 'm', 'model.onnx');
  const key = await profileKey(
    { path, content: undefined, config: readModelConfig('m', undefined, settingsSchema.parse({})) },
    coresOf(readCpuLimits()),
  );
  const found = {
    model: 'm',
    key,
    instances: 3,
    threads: 1,
    curve: [
      { rows: 1, ms: 4 },
      { rows: 2, ms: 4.5 },
      { rows: 4, ms: 9 },
    ],
    trials: [{ instances: 3, threads: 1, rowsPerSecond: 1200 }],
  };
  const file = writeProfile(profiles, found);

  const lines: string[] = [];
  await using server = await serverOf(
    repository.path,
    { instances: 'auto', modelControl: 'explicit', profiles },
    lines,
  );
  const config = async () => (await server.app.inject('/v2/models/m/config')).json();
  expect(await config()).toMatchObject({
    instance_group: [{ count: 3 }],
    parameters: {
      instances: { string_value: '3' },
      threads: { string_value: '1' },
      threads_reason: { string_value: 'as the profile says' },
      batch_curve_ms: { string_value: '1: 4, 2: 4.5, 4: 9' },
      batch_curve_source: { string_value: 'profile' },
      batch_knee: { string_value: '2' },
      plans_tried: { string_value: '3 x 1 threads: 1200 rows/s' },
    },
  });
  expect(lines.join('')).not.toContain('profile not used');

  writeFileSync(file, JSON.stringify({ ...found, key: { ...key, cores: key.cores + 1 } }));
  expect((await server.app.inject({ method: 'POST', url: '/v2/repository/models/m/load' })).statusCode).toBe(200);
  expect((await config()).parameters.batch_curve_source.string_value).toBe('measured at load');
  expect(lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'profile not used')).toMatchObject({
    model: 'm',
    reason: `its profile is for cores ${key.cores + 1}, here it is ${key.cores}`,
  });
}, 30_000);

test('waiting for all engines ends when one of them cannot be started', async () => {
  const repository = repositoryOf({ 'm.onnx': doubling() });
  const session = {
    modelPath: join(repository.path, 'm.onnx'),
    executionProviders: [{ name: 'cpu', required: false }],
    intraOpNumThreads: 1,
  };
  const limits = { loadLimitMs: 10_000, runLimitMs: 10_000 };
  const pool = await EnginePool.start({ session, instances: 2, ...limits }, UNOBSERVED);
  repository[Symbol.dispose]();
  await expect(pool.complete()).rejects.toThrow('not all of its engines came up');
  await pool.close();
});
