import { expect, test } from 'vitest';
import { doubling, repositoryOf } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';

test('what is logged can be changed while the server runs, but not where', async () => {
  using repository = repositoryOf({ 'm.onnx': doubling() });
  const lines: string[] = [];
  await using server = await serverOf(repository.path, { modelControl: 'explicit' }, lines);
  const set = (payload: object) =>
    server.app.inject({ method: 'POST', url: '/v2/logging', payload: JSON.stringify(payload) });
  const before = (await server.app.inject('/v2/logging')).json();
  expect(before).toMatchObject({ log_info: true, log_verbose_level: 1, log_file: '' });

  expect((await set({ log_verbose_level: 0, log_info: false })).json()).toMatchObject({
    log_info: false,
    log_warning: true,
  });
  const quiet = lines.length;
  await server.infer('nosuch', []);
  expect(lines.length).toBe(quiet);

  expect((await set({ log_file: 'elsewhere' })).json().error).toContain('log file location can not be updated');
  expect((await set({ log_file: '' })).json()).toMatchObject({ log_file: '' });
  expect((await set({ log_info: 1 })).json().error).toContain("Invalid value for 'log_info'");
  expect((await set({ log_verbose_level: 1 })).json()).toEqual(before);
  await server.infer('nosuch', []);
  expect(lines.length).toBe(quiet + 1);
});
