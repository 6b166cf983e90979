import { renameSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { doubling, identity, repositoryOf } from '../../fixtures/models.ts';
import { until } from '../../fixtures/server.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { control, infer, keepBusy, multipleOf, ROW } from './clients.ts';
import { heldBytes, INSPECTED, inspectorOf } from './held-memory.ts';

const FIRST_MARK = 50;
const GROWTH_LIMIT = 0.05;
const CLIENTS = 4;
/** Of clients alone: what load itself takes, once, is not to be counted as the reloads'. */
const WARM_UP_MS = 60_000;

export const reloads: Fault = {
  name: 'reloads',
  kind: 'chaos',
  promise:
    'a model is loaded again and again, its file another one each time, while clients keep it and another one busy: every answer is that of one of both files, and the server holds no more memory after the last than after the 50th',
  async run({ length, progress }) {
    const times = length === 'short' ? 6 : 1000;
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': identity('float'), 'other.onnx': doubling() });
    await using server = await ServerUnderTest.start({
      models: repository.path,
      args: ['--model-control', 'explicit', '--log-level', 'warn'],
      env: INSPECTED,
    });
    const { url } = server;
    const inspector = inspectorOf(server);
    const clients = [
      keepBusy(tally, CLIENTS, () => infer(url, 'm', ROW), multipleOf(1, 2)),
      keepBusy(tally, CLIENTS, () => infer(url, 'other', ROW), multipleOf(2)),
    ];
    await delay(length === 'short' ? 0 : WARM_UP_MS);
    let afterFirst = 0;
    /** What is compiled late is there by now; what leaks is not. */
    let afterHalf = 0;
    for (let i = 1; i <= times; i++) {
      const factor = 1 + (i % 2);
      repository.add('next', factor === 2 ? doubling() : identity('float'));
      renameSync(`${repository.path}/next`, `${repository.path}/m.onnx`);
      const { status } = await control(url, 'm', 'load');
      tally.count(status === 200 ? undefined : `reload ${i} was answered with ${status}`);
      tally.count(multipleOf(factor)(await infer(url, 'm', ROW)));
      if (i === Math.min(FIRST_MARK, times)) afterFirst = await heldBytes(server, inspector);
      if (i === times / 2) afterHalf = await heldBytes(server, inspector);
      progress(i, times);
    }
    const afterLast = await heldBytes(server, inspector);
    await Promise.all(clients.map((client) => client.end()));
    await until(() => server.engines.length === 2);
    const growth = afterLast / afterFirst - 1;
    const marks = [mebibytes(afterFirst), mebibytes(afterHalf), mebibytes(afterLast)];
    const seen = `${marks[0]} after the 50th, ${marks[1]} after half of them, ${marks[2]} after the last`;
    if (times > FIRST_MARK) tally.count(growth <= GROWTH_LIMIT ? undefined : `memory grew: ${seen}`);
    return tally.outcome(
      `${times} reloads; the server holds ${seen}: ${(100 * growth).toFixed(1)} % (limit ${100 * GROWTH_LIMIT} %)`,
      { reloads: times, afterFirst, afterHalf, afterLast },
    );
  },
};

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
