import { setTimeout as delay } from 'node:timers/promises';
import { doubling, growing, identity, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { infer, keepBusy, metric, multipleOf, ROW } from './clients.ts';

const BUDGET_MIB = 140;
/** Megabytes that a run would come to hold if nobody stopped it. */
const RUNAWAY_STEPS = 3000;
/** Rows of the largest request, 32 MiB: an engine that has run it holds some 100 MiB more. */
const MOST_ROWS = 4_000_000;
const CLIENTS = 3;

export const memoryBudget: Fault = {
  name: 'memory-budget',
  kind: 'chaos',
  promise:
    'large requests make an engine hold more than its model may: a fresh one takes over each time, and every request of this and of another model is answered; a run that goes on growing is stopped',
  async run({ length, progress }) {
    const times = length === 'short' ? 1 : 40;
    const tally = new Tally();
    using repository = repositoryOf({
      'm/model.onnx': doubling(),
      'm/config.yaml': `maxEngineBytes: ${BUDGET_MIB * 2 ** 20}\nbatching: off`,
      'other.onnx': identity('float'),
      'runaway/model.onnx': growing(),
      'runaway/config.yaml': `maxEngineBytes: ${BUDGET_MIB * 2 ** 20}`,
    });
    await using server = await ServerUnderTest.start({ models: repository.path, args: ['--log-level', 'warn'] });
    const { url } = server;
    const clients = [
      keepBusy(tally, CLIENTS, () => infer(url, 'm', ROW), multipleOf(2)),
      keepBusy(tally, CLIENTS, () => infer(url, 'other', ROW), multipleOf(1)),
    ];
    const recycled = () => metric(url, 'ortlet_engine_recycles_total{model="m"');
    let answered = 0;
    for (let done = 0; done < times; ) {
      const rows = Math.ceil((MOST_ROWS * (3 + (answered % 3))) / 5);
      tally.count(await large(url, rows));
      answered++;
      await delay(200);
      done = await recycled();
      progress(done, times);
      if (answered > 100 * times) throw new Error(`${answered} large requests, and only ${done} engines recycled`);
    }
    const runaway = (steps: number) => [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [steps] }];
    const stopped = await infer(url, 'runaway', runaway(RUNAWAY_STEPS));
    tally.count(stopped.status >= 500 ? undefined : `a run without bound was answered with ${stopped.status}`);
    const next = await infer(url, 'runaway', runaway(1));
    tally.count(next.status === 200 ? undefined : `the next one was answered with ${next.status}: ${next.body.error}`);
    await Promise.all(clients.map((client) => client.end()));
    tally.count((await metric(url, 'ortlet_engine_exits_total{model="m"')) === 0 ? undefined : 'an engine was lost');
    const count = await recycled();
    return tally.outcome(`${count} engines recycled (budget ${BUDGET_MIB} MiB)`, { recycled: count });
  },
};

/** Doubles so many rows of ones, as raw bytes. @returns what is wrong */
async function large(url: string, rows: number): Promise<string | undefined> {
  const bytes = 8 * rows;
  const tensor = { datatype: 'FP32', shape: [rows, 2], parameters: { binary_data_size: bytes } };
  const outputs = [{ name: 'y', parameters: { binary_data: true } }];
  const head = Buffer.from(JSON.stringify({ inputs: [{ name: 'x', ...tensor }], outputs }));
  const response = await fetch(`${url}/v2/models/m/infer`, {
    method: 'POST',
    headers: { 'inference-header-content-length': String(head.length) },
    body: Buffer.concat([head, Buffer.from(new Float32Array(2 * rows).fill(1).buffer)]),
  });
  const answer = Buffer.from(await response.arrayBuffer());
  const right = response.status === 200 && answer.length > bytes && answer.readFloatLE(answer.length - 4) === 2;
  return right ? undefined : `${rows} rows: ${response.status} ${answer.toString('utf8', 0, 200)}`;
}
