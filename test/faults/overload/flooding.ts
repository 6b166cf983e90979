import { quantile, timesOf } from '../../../load/scheduler/statistics.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { slowModels, slowRequest, startSender } from './pressure.ts';

/** Some 5 ms a run. */
const STEPS = 100;
const DEADLINE_MS = 500;
const FACTOR = 10;
const CONNECTIONS = 128;
const SECONDS = { short: 1, full: 20 };
const RATIO_LIMIT = 5;

export const flooding: Fault = {
  name: 'flooding',
  kind: 'chaos',
  promise: `one model gets ${FACTOR} times of what it can serve: none of another model's requests fails, and its p99 stays within ${RATIO_LIMIT} times of what it is alone`,
  async run({ length, progress }) {
    const seconds = SECONDS[length];
    const tally = new Tally();
    using models = slowModels('flooded', 'other');
    await using server = await ServerUnderTest.start({ models: models.path, args: ['--log-level', 'error'] });
    const { url } = server;
    const [flooder, client] = [startSender(), startSender()];
    try {
      const flood = [slowRequest(url, 'flooded', { steps: STEPS, timeoutMs: DEADLINE_MS })];
      const ask = { url, requests: [slowRequest(url, 'other', { steps: STEPS })], connections: 1, seconds };
      const { samples, elapsedMs } = await flooder.ask({ url, requests: flood, connections: 2, seconds });
      const capacity = timesOf(samples).length / (elapsedMs / 1000);
      progress(1, 3);
      const alone = timesOf((await client.ask(ask)).samples);
      progress(2, 3);
      const rate = Math.round(FACTOR * capacity);
      const flooded = flooder.ask({ url, requests: flood, connections: CONNECTIONS, seconds, rate });
      const { samples: besides } = await client.ask(ask);
      await flooded;
      for (const { status } of besides) tally.count(status === 200 ? undefined : `the other model gave ${status}`);
      const [aloneMs, besideMs] = [alone, timesOf(besides)].map((times) => quantile(times, 0.99)) as [number, number];
      const ratio = besideMs / aloneMs;
      if (length === 'full') tally.count(ratio > RATIO_LIMIT ? `the p99 grew ${ratio.toFixed(1)} fold` : undefined);
      const worst = `p99 ${besideMs.toFixed(1)} ms beside the flood, ${aloneMs.toFixed(1)} ms alone (limit ${RATIO_LIMIT} fold)`;
      return tally.outcome(worst, { aloneMs, besideMs, ratio });
    } finally {
      flooder.end();
      client.end();
    }
  },
};
