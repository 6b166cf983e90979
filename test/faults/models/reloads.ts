import { renameSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { doubling, identity, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { control, infer, keepBusy, multipleOf, ROW } from './clients.ts';

const FIRST_MARK = 50;
const GROWTH_LIMIT = 0.05;
/** Garbage is collected now and then; what is kept is the least of so many samples in a row. */
const SAMPLES = 20;
const CLIENTS = 4;

export const reloads: Fault = {
  name: 'reloads',
  kind: 'chaos',
  promise:
    'a model is loaded again and again, its file another one each time, while clients keep it and another one busy: every answer is that of one of both files, and the server holds no more memory after the last than after the 50th',
  async run({ length, progress }) {
    const times = length === 'short' ? 6 : Number(process.env.RELOADS ?? 1000);
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': identity('float'), 'other.onnx': doubling() });
    await using server = await ServerUnderTest.start({
      models: repository.path,
      args: ['--model-control', 'explicit', '--log-level', 'warn'],
    });
    const { url } = server;
    const clients = [
      keepBusy(tally, CLIENTS, () => infer(url, 'm', ROW), multipleOf(1, 2)),
      keepBusy(tally, CLIENTS, () => infer(url, 'other', ROW), multipleOf(2)),
    ];
    const resident: number[] = [];
    for (let i = 1; i <= times; i++) {
      const factor = 1 + (i % 2);
      repository.add('next', factor === 2 ? doubling() : identity('float'));
      renameSync(`${repository.path}/next`, `${repository.path}/m.onnx`);
      const { status } = await control(url, 'm', 'load');
      tally.count(status === 200 ? undefined : `reload ${i} was answered with ${status}`);
      tally.count(multipleOf(factor)(await infer(url, 'm', ROW)));
      resident.push(server.residentBytes);
      if (process.env.RELOADS && i % 10 === 0) console.log(i, (server.residentBytes / 1e6).toFixed(1));
      progress(i, times);
    }
    await Promise.all(clients.map((client) => client.end()));
    await delay(500);
    tally.count(server.engines.length === 2 ? undefined : `${server.engines.length} engines are left, not 2`);
    if (length === 'short') return tally.outcome(`${times} reloads`);
    const kept = (mark: number) => Math.min(...resident.slice(mark - SAMPLES, mark));
    const [after50, afterLast] = [kept(FIRST_MARK), kept(times)];
    const growth = afterLast / after50 - 1;
    const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
    const seen = `${megabytes(after50)} MiB after the 50th, ${megabytes(afterLast)} MiB after the last`;
    tally.count(growth <= GROWTH_LIMIT ? undefined : `memory grew: ${seen}`);
    return tally.outcome(`${times} reloads, ${seen} (${(100 * growth).toFixed(1)} %, limit ${100 * GROWTH_LIMIT} %)`, {
      reloads: times,
      after50,
      afterLast,
    });
  },
};
