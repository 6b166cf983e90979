// More than the server can take, in an open loop with deadlines: how many answers still come in time, how soon refusals
// come, what memory does, and how soon all is well again.

import { setTimeout as delay } from 'node:timers/promises';
import { residentBytesOf } from '../../src/execution/memory-budget.ts';
import { binaryRequest, tokens } from './heavy-models.ts';
import { inferUrl, startOrtlet, startSender } from './ortlet.ts';
import type { Measure } from './report.ts';
import type { Sample } from './sender.ts';
import { quantile, timesOf } from './statistics.ts';

const DEADLINE_MS = 100;
/** Long enough for the refusals of 5 times as many requests to cost little beside the runs. */
const TOKENS = 128;
const CONNECTIONS = 512;
const FACTORS = [1, 2, 5, 10];
const PAUSE_MS = 200;
const PROMPT_MS = 5;

export const overload: Measure = async ({ models, rounds, seconds, flags, onProgress }) => {
  const sender = startSender();
  const server = await startOrtlet(models, flags);
  const faults: string[] = [];
  const rows: (string | number)[][] = [];
  try {
    const url = inferUrl(server, 'encoder');
    const request = (headers = {}) => [1, 2, 3, 4].map((seed) => binaryRequest(url, tokens(TOKENS, seed), headers));
    const bounded = request({ 'x-request-timeout-ms': DEADLINE_MS });
    const closed = { url: url.href, requests: request(), connections: 16, seconds };
    await sender.ask(closed);
    const { samples: taken, elapsedMs: takenMs } = await sender.ask(closed);
    const capacity = (taken.length * 1000) / takenMs;
    // Sixteen wait for longer than the deadline; two keep an engine busy and are in time.
    const { samples: best, elapsedMs: bestMs } = await sender.ask({ ...closed, requests: bounded, connections: 2 });
    const peakPerSecond = (inTimeOf(best) * 1000) / bestMs;
    const calm = { url: url.href, requests: bounded, connections: CONNECTIONS, rate: capacity / 4 };
    for (const factor of Array.from({ length: rounds }, () => FACTORS).flat()) {
      const before = residentBytesOf(server.pid) ?? 0;
      let peak = before;
      const watch = setInterval(() => {
        peak = Math.max(peak, residentBytesOf(server.pid) ?? 0);
      }, 50);
      const result = await sender.ask({ ...calm, seconds, rate: Math.round(capacity * factor) });
      clearInterval(watch);
      await delay(PAUSE_MS);
      const after = await sender.ask({ ...calm, seconds: 2 });
      const { samples, elapsedMs, unsent, cpu } = result;
      const accepted = timesOf(samples);
      const inTime = (inTimeOf(samples) * 1000) / elapsedMs;
      const refused = timesOf(samples, (status) => status === 503);
      const late = timesOf(samples, (status) => status === 504);
      const others = samples.filter(({ status }) => ![200, 503, 504].includes(status));
      if (others.length > 0)
        faults.push(`${factor} x: ${others.length} requests were answered otherwise, ${others[0]!.status} for example`);
      rows.push([
        `${factor} x`,
        samples.length + unsent,
        inTime,
        inTime / peakPerSecond,
        quantile(accepted, 0.99),
        refused.length,
        refused.length > 0 ? refused.filter((ms) => ms > PROMPT_MS).length : '-',
        refused.length > 0 ? quantile(refused, 0.99) : '-',
        late.length,
        unsent,
        (peak - before) / 2 ** 20,
        quantile(timesOf(after.samples), 0.99),
        cpu,
      ]);
      onProgress();
    }
    return {
      title: `Open loop, deadlines of ${DEADLINE_MS} ms, the encoder with ${TOKENS} tokens; it takes ${capacity.toFixed(0)} rows/s in a closed loop of 16, ${peakPerSecond.toFixed(0)} in time in one of 2`,
      header: [
        'offered',
        'requests',
        'in time/s',
        'of closed loop',
        'p99 ms',
        '503',
        `503 after ${PROMPT_MS} ms`,
        '503 p99 ms',
        '504',
        'unsent',
        'RSS + MiB',
        'p99 ms after',
        'sender CPU',
      ],
      rows,
      faults,
    };
  } finally {
    sender.end();
    await server.end();
  }
};

function inTimeOf(samples: readonly Sample[]): number {
  return timesOf(samples).filter((ms) => ms <= DEADLINE_MS).length;
}
