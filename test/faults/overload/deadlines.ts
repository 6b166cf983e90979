import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { metric, slowModels, slowRequest, startSender } from './pressure.ts';

/** Some 5 ms a run. */
const STEPS = 100;
const RATE = 400;
const CONNECTIONS = 64;
const LONGEST_MS = 50;

export const deadlinesInQueue: Fault = {
  name: 'deadlines-in-queue',
  kind: 'chaos',
  promise: `ten thousand requests that have 1 to ${LONGEST_MS} ms, twice as many as can be served: none is run after its deadline`,
  async run({ length, progress }) {
    const requestCount = length === 'short' ? 400 : 10_000;
    const tally = new Tally();
    using models = slowModels('slow');
    await using server = await ServerUnderTest.start({ models: models.path, args: ['--log-level', 'error'] });
    const { url } = server;
    const requests = Array.from({ length: LONGEST_MS }, (_, i) =>
      slowRequest(url, 'slow', { steps: STEPS, timeoutMs: 1 + i }),
    );
    const sender = startSender();
    let answered = 0;
    try {
      for (let sent = 0; sent < requestCount; ) {
        const task = { url, requests, connections: CONNECTIONS, seconds: 1, rate: RATE };
        const { samples } = await sender.ask(task);
        for (const { status } of samples)
          tally.count([200, 503, 504].includes(status) ? undefined : `status ${status}`);
        answered += samples.filter(({ status }) => status === 200).length;
        sent += samples.length;
        progress(sent, requestCount);
      }
    } finally {
      sender.end();
    }
    const late = await metric(url, 'ortlet_late_runs_total');
    tally.count(late > 0 ? `${late} were run after their deadline` : undefined);
    return tally.outcome(`${late} run after their deadline, ${answered} answered in time`, { late, answered });
  },
};

/** A second on one core, more or less. */
const LONG_STEPS = 20_000;
const TIMEOUT_MS = 200;
const RUN_LIMIT_MS = 3000;
/** Far longer than the run limit. */
const ENDLESS_STEPS = 2_000_000;
const LATE_LIMIT_MS = 100;

export const deadlineInRun: Fault = {
  name: 'deadline-in-run',
  kind: 'chaos',
  promise: `runs take longer than their requests have: each is told at its deadline, another model answers all the while, and at the run limit of ${RUN_LIMIT_MS / 1000} s the engine is replaced`,
  async run({ length, progress }) {
    const times = length === 'short' ? 1 : 20;
    const tally = new Tally();
    using models = slowModels('slow', 'other');
    await using server = await ServerUnderTest.start({
      models: models.path,
      args: ['--run-limit-ms', String(RUN_LIMIT_MS), '--log-level', 'error'],
    });
    const ask = async (model: string, steps: number, timeoutMs: number) => {
      const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [steps] }] });
      const headers = { 'x-request-timeout-ms': String(timeoutMs) };
      const askedAt = performance.now();
      const response = await fetch(`${server.url}/v2/models/${model}/infer`, { method: 'POST', body, headers });
      await response.arrayBuffer();
      return { status: response.status, ms: performance.now() - askedAt };
    };
    const unlimited = 20_000;
    let latest = 0;
    let slowestOther = 0;
    for (let i = 0; i < times; i++) {
      const late = ask('slow', LONG_STEPS, TIMEOUT_MS);
      const other = await ask('other', 1, unlimited);
      slowestOther = Math.max(slowestOther, other.ms);
      tally.count(other.status === 200 ? undefined : `the other model gave ${other.status}`);
      const { status, ms } = await late;
      latest = Math.max(latest, ms - TIMEOUT_MS);
      tally.count(status === 504 ? undefined : `status ${status} at the deadline`);
      // Its run goes on; the next request waits for it.
      const next = await ask('slow', 1, unlimited);
      tally.count(next.status === 200 ? undefined : `status ${next.status} for the next`);
      progress(i + 1, times + 1);
    }
    if (length === 'full') tally.count(latest > LATE_LIMIT_MS ? `told ${latest.toFixed(0)} ms late` : undefined);
    const endless = await ask('slow', ENDLESS_STEPS, unlimited);
    tally.count(endless.status === 504 ? undefined : `status ${endless.status} at the run limit`);
    const after = await ask('slow', 1, unlimited);
    tally.count(after.status === 200 ? undefined : `status ${after.status} after the run limit`);
    const worst = `told ${latest.toFixed(0)} ms after the deadline at most (limit ${LATE_LIMIT_MS} ms), the other model within ${slowestOther.toFixed(0)} ms, the endless run after ${endless.ms.toFixed(0)} ms`;
    return tally.outcome(worst, { latest, slowestOther, runLimitMs: endless.ms });
  },
};
