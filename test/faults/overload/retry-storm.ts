import { timesOf } from '../../../load/scheduler/statistics.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { slowModels, slowRequest, startSender } from './pressure.ts';

/** Some 10 ms a run. */
const STEPS = 200;
const DEADLINE_MS = 200;
const CLIENTS = { short: 64, full: 256 };
const SECONDS = { short: 1, full: 20 };
const LEAST_GOODPUT = 0.8;

export const retryStorm: Fault = {
  name: 'retry-storm',
  kind: 'chaos',
  promise: `${CLIENTS.full} clients that ask again at once whenever they are refused: as much is answered in time as without them, to ${LEAST_GOODPUT * 100} %`,
  async run({ length, progress }) {
    const seconds = SECONDS[length];
    const tally = new Tally();
    using models = slowModels('slow');
    await using server = await ServerUnderTest.start({ models: models.path, args: ['--log-level', 'error'] });
    const { url } = server;
    const sender = startSender();
    try {
      const requests = [slowRequest(url, 'slow', { steps: STEPS, timeoutMs: DEADLINE_MS })];
      const answeredBy = async (connections: number) => {
        const { samples, elapsedMs } = await sender.ask({ url, requests, connections, seconds });
        for (const { status } of samples)
          tally.count([200, 503, 504].includes(status) ? undefined : `status ${status}`);
        const inTime = timesOf(samples).filter((ms) => ms <= DEADLINE_MS).length;
        return { perSecond: inTime / (elapsedMs / 1000), refused: timesOf(samples, (status) => status === 503).length };
      };
      const { perSecond: best } = await answeredBy(2);
      progress(1, 2);
      const { perSecond, refused } = await answeredBy(CLIENTS[length]);
      const share = perSecond / best;
      tally.count(perSecond === 0 ? 'nothing was answered in time' : undefined);
      if (length === 'full')
        tally.count(share < LEAST_GOODPUT ? `goodput fell to ${(share * 100).toFixed(0)} %` : undefined);
      const worst = `goodput ${(share * 100).toFixed(0)} % of ${best.toFixed(0)}/s (limit ${LEAST_GOODPUT * 100} %) with ${(refused / seconds).toFixed(0)} refusals/s`;
      return tally.outcome(worst, { best, perSecond, refused });
    } finally {
      sender.end();
    }
  },
};
