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

test('what is refused for load has a line for itself only when everything has', async () => {
  using repository = repositoryOf({ 'm.onnx': doubling() });
  const lines: string[] = [];
  await using server = await serverOf(repository.path, { modelControl: 'explicit', maxInFlightBytes: 1024 }, lines);
  const setLevel = (log_verbose_level: number) =>
    server.app.inject({ method: 'POST', url: '/v2/logging', payload: JSON.stringify({ log_verbose_level }) });
  const refused = () => lines.filter((line) => line.includes('QUEUE_FULL')).length;
  const flood = async () => {
    const x = { name: 'x', datatype: 'FP32', shape: [300, 2], data: Array.from({ length: 600 }, () => 0.5) } as const;
    const answers = await Promise.all([1, 2, 3].map(() => server.infer('m', [x])));
    return answers.filter(({ status }) => status === 503).length;
  };
  await setLevel(0);
  expect(await flood()).toBe(2);
  expect(refused()).toBe(0);
  await setLevel(1);
  expect(await flood()).toBe(2);
  expect(refused()).toBe(2);
});
