import { lookup, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { metric } from './pressure.ts';

const TOGETHER = 16;
const BATCHES = { short: 10, full: 1000 };
const ROWS = 4;

export const poison: Fault = {
  name: 'poison',
  kind: 'chaos',
  promise: `one of ${TOGETHER} requests that come together has an index that the model refuses when it runs: it alone fails, the others get their rows`,
  async run({ length, seed, progress }) {
    const tally = new Tally();
    using models = repositoryOf({ 'lookup/model.onnx': lookup() });
    await using server = await ServerUnderTest.start({ models: models.path, args: ['--log-level', 'error'] });
    const ask = async (index: number) => {
      const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1], datatype: 'INT64', data: [index] }] });
      const response = await fetch(`${server.url}/v2/models/lookup/infer`, { method: 'POST', body });
      const { outputs } = (await response.json()) as { outputs?: readonly { data: readonly number[] }[] };
      return { status: response.status, row: outputs?.[0]?.data };
    };
    for (let batch = 0; batch < BATCHES[length]; batch++) {
      const guilty = (seed + batch) % TOGETHER;
      // Another index each time: what was refused once runs apart from then on.
      const indices = Array.from({ length: TOGETHER }, (_, i) => (i === guilty ? ROWS + batch : i % ROWS));
      const answers = await Promise.all(indices.map(ask));
      for (const [i, { status, row }] of answers.entries()) {
        const index = indices[i]!;
        const right = i === guilty ? status === 422 : status === 200 && `${row}` === `${[2 * index, 2 * index + 1]}`;
        tally.count(right ? undefined : `index ${index} gave ${status} ${row}`);
      }
      progress(batch + 1, BATCHES[length]);
    }
    const [failed, runs] = await Promise.all(
      ['ortlet_batch_failures_total', 'ortlet_batches_total'].map((name) => metric(server.url, name)),
    );
    tally.count(failed! < BATCHES[length] ? `only ${failed} runs failed` : undefined);
    return tally.outcome(`${tally.failures} wrong answers; ${failed} runs failed, ${runs} did not`, {
      failed: failed!,
      runs: runs!,
    });
  },
};
