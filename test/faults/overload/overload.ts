import { setTimeout as delay } from 'node:timers/promises';
import type { Sample, SendTask } from '../../../load/scheduler/sender.ts';
import { quantile, timesOf } from '../../../load/scheduler/statistics.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { HealthWatch, metric, slowModels, slowRequest, startSender } from './pressure.ts';

const FORMS = { short: { factors: [10], seconds: 1 }, full: { factors: [2, 5, 10], seconds: 20 } };
/** Some 10 ms a run. */
const STEPS = 200;
const DEADLINE_MS = 500;
const CONNECTIONS = 256;
/** Without deadlines as many wait as the queue takes, a thousand; each holds a connection. */
const MOST_WAITING = 1200;
const LARGE_BYTES = 256 * 1024;
const QUEUE_MB = 256;
const MB = 1024 ** 2;
const LOOK_EVERY_MS = 50;
const LIMITS = { goodput: 0.9, healthMs: 10, refusalMs: 10, lagMs: 20 };

export const overload: Fault = {
  name: 'overload',
  kind: 'chaos',
  promise:
    'up to ten times of what it can serve is offered, with deadlines and large bodies without: as much is answered in time as at its best, the rest is refused at once with Retry-After, memory grows by less than the queue may hold, health is answered all the time',
  async run({ length, progress }) {
    const { factors, seconds } = FORMS[length];
    const tally = new Tally();
    using models = slowModels('slow');
    await using server = await ServerUnderTest.start({
      models: models.path,
      args: ['--max-queue-bytes', String(QUEUE_MB * MB), '--log-level', 'error'],
    });
    const { url } = server;
    const sender = startSender();
    const send = async (task: Omit<SendTask, 'url' | 'seconds'>) => {
      const { samples, elapsedMs } = await sender.ask({ url, seconds, ...task });
      for (const { status } of samples) tally.count(isAnswer(status) ? undefined : `an answer had status ${status}`);
      return { samples, inTime: timesOf(samples).filter((ms) => ms <= DEADLINE_MS).length / (elapsedMs / 1000) };
    };
    const health = new HealthWatch(url);
    try {
      const timed = [slowRequest(url, 'slow', { steps: STEPS, timeoutMs: DEADLINE_MS })];
      const { inTime: best } = await send({ requests: timed, connections: 2 });
      await metric(url, LAG);
      const goodput: number[] = [];
      const refused: Sample[] = [];
      for (const [i, factor] of factors.entries()) {
        const rate = Math.round(best * factor);
        const sent = send({ requests: timed, connections: CONNECTIONS, rate });
        for (const missing of await refusalsWithoutTime(url, sent)) tally.count(missing);
        const { samples, inTime } = await sent;
        goodput.push(inTime / best);
        refused.push(...samples.filter(({ status }) => status === 503));
        progress(i + 1, factors.length + 1);
      }
      const lagMs = (await metric(url, LAG)) * 1000;
      const before = server.residentBytes;
      const large = [slowRequest(url, 'slow', { steps: STEPS, bytes: LARGE_BYTES })];
      const sent = send({ requests: large, connections: MOST_WAITING, rate: Math.round(best * 10) });
      const grownMb = ((await mostResident(server, sent)) - before) / MB;
      const { times, failures } = await health.stop();
      tally.count(grownMb > QUEUE_MB ? `memory grew by ${grownMb.toFixed(0)} MiB` : undefined);
      tally.count(failures > 0 ? `health was not answered ${failures} times` : undefined);
      tally.count(refused.length === 0 ? 'nothing was refused' : undefined);
      const least = Math.min(...goodput);
      const healthMs = quantile(times, 0.99);
      const refusalMs = quantile(
        refused.map(({ ms }) => ms),
        0.99,
      );
      if (length === 'full') {
        tally.count(least < LIMITS.goodput ? `goodput fell to ${(least * 100).toFixed(0)} %` : undefined);
        tally.count(healthMs > LIMITS.healthMs ? `health took ${healthMs.toFixed(1)} ms` : undefined);
        tally.count(refusalMs > LIMITS.refusalMs ? `refusals took ${refusalMs.toFixed(1)} ms` : undefined);
        tally.count(lagMs > LIMITS.lagMs ? `the event loop was late by ${lagMs.toFixed(1)} ms` : undefined);
      }
      const curve = factors.map((factor, i) => `${factor} x: ${(goodput[i]! * 100).toFixed(0)} %`).join(', ');
      return tally.outcome(
        `goodput ${curve} of ${best.toFixed(0)}/s; refusals p99 ${refusalMs.toFixed(1)} ms; memory +${grownMb.toFixed(0)} MiB (limit ${QUEUE_MB}); health p99 ${healthMs.toFixed(1)} ms (limit ${LIMITS.healthMs}); event loop p99 ${lagMs.toFixed(1)} ms (limit ${LIMITS.lagMs})`,
        { best, leastGoodput: least, refusalMs, grownMb, healthMs, lagMs },
      );
    } finally {
      sender.end();
      await health.stop();
    }
  },
};

const LAG = 'nodejs_eventloop_lag_p99_seconds';
const ASK_EVERY_MS = 50;

function isAnswer(status: number): boolean {
  return [200, 503, 504].includes(status);
}

/** Asks beside the others. @returns for each refusal nothing, or what was wrong with its Retry-After */
async function refusalsWithoutTime(url: string, others: Promise<unknown>): Promise<(string | undefined)[]> {
  const seen: (string | undefined)[] = [];
  const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [STEPS] }] });
  const headers = { 'x-request-timeout-ms': String(DEADLINE_MS) };
  for (let over = false; !over; ) {
    over = await Promise.race([others.then(() => true), delay(ASK_EVERY_MS, false)]);
    const response = await fetch(`${url}/v2/models/slow/infer`, { method: 'POST', body, headers });
    await response.arrayBuffer();
    const after = response.headers.get('retry-after');
    if (response.status === 503) seen.push(/^[1-9][0-9]*$/.test(after ?? '') ? undefined : `Retry-After: ${after}`);
  }
  return seen;
}

/** @returns the most memory that was resident until something is over, in bytes */
async function mostResident(server: ServerUnderTest, until: Promise<unknown>): Promise<number> {
  let most = server.residentBytes;
  for (let over = false; !over; most = Math.max(most, server.residentBytes)) {
    over = await Promise.race([until.then(() => true), delay(LOOK_EVERY_MS, false)]);
  }
  return most;
}
