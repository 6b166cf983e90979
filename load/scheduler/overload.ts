// More than the server can take, in an open loop with deadlines: how many answers still come in time, how soon refusals
// come, what memory does, and how soon all is well again.

import { setTimeout as delay } from 'node:timers/promises';
import { residentBytesOf } from '../../src/execution/memory-budget.ts';
import { binaryRequest, tokens } from './heavy-models.ts';
import { inferUrl, startOrtlet, startSender } from './ortlet.ts';
import type { Measure } from './report.ts';
import type { SendResult } from './sender.ts';
import { median, PROMPT_MS, quantile, timesOf } from './statistics.ts';

const DEADLINE_MS = 100;
/** Long enough for the refusals of 5 times as many requests to cost little beside the runs. */
const TOKENS = 128;
const CONNECTIONS = 512;
const FACTORS = [1, 2, 5, 10];
const PAUSE_MS = 200;
const CALM_SECONDS = 2;

/** One load in one round. Times in milliseconds. */
interface Observation {
  readonly requests: number;
  readonly inTime: number;
  /** Of what came in time in the closed loop of the same round. */
  readonly share: number;
  readonly p99: number;
  readonly refused: number;
  readonly slowlyRefused: number;
  readonly refusedP99: number;
  readonly late: number;
  readonly unsent: number;
  readonly grownMiB: number;
  readonly p99After: number;
  readonly senderCpu: number;
}

export const overload: Measure = async ({ models, rounds, seconds, flags, onProgress }) => {
  const sender = startSender();
  const server = await startOrtlet(models, flags);
  const faults: string[] = [];
  const observed = new Map<number, Observation[]>(FACTORS.map((factor) => [factor, []]));
  try {
    const url = inferUrl(server, 'encoder');
    const request = (headers = {}) => [1, 2, 3, 4].map((seed) => binaryRequest(url, tokens(TOKENS, seed), headers));
    const bounded = request({ 'x-request-timeout-ms': DEADLINE_MS });
    const closed = { url: url.href, requests: request(), connections: 16, seconds };
    await sender.ask(closed);
    const { samples: taken, elapsedMs: takenMs } = await sender.ask(closed);
    const capacity = (taken.length * 1000) / takenMs;
    const open = { url: url.href, requests: bounded, connections: CONNECTIONS };
    const peaks: number[] = [];
    for (let round = 0; round < rounds; round++) {
      // Sixteen wait for longer than the deadline; two keep an engine busy and are in time.
      const best = await sender.ask({ ...closed, requests: bounded, connections: 2 });
      const peak = inTimePerSecond(best);
      peaks.push(peak);
      for (const factor of FACTORS) {
        const memory = watchMemory(server.pid);
        const result = await sender.ask({ ...open, seconds, rate: Math.round(capacity * factor) });
        const grownMiB = memory.end() / 2 ** 20;
        await delay(PAUSE_MS);
        const after = await sender.ask({ ...open, seconds: CALM_SECONDS, rate: capacity / 4 });
        const p99After = quantile(timesOf(after.samples), 0.99);
        observed.get(factor)!.push({ ...describe(result, peak), grownMiB, p99After });
        const others = result.samples.filter(({ status }) => ![200, 503, 504].includes(status));
        if (others.length > 0)
          faults.push(
            `${factor} x: ${others.length} requests were answered otherwise, ${others[0]!.status} for example`,
          );
      }
      onProgress();
    }
    return {
      title: `Open loop, deadlines of ${DEADLINE_MS} ms, the encoder with ${TOKENS} tokens, medians of ${rounds} rounds; it takes ${capacity.toFixed(0)} rows/s in a closed loop of 16, ${median(peaks).toFixed(0)} in time in one of 2`,
      header: HEADER,
      rows: FACTORS.map((factor) => tableRow(factor, observed.get(factor)!)),
      faults,
    };
  } finally {
    sender.end();
    await server.end();
  }
};

const HEADER = [
  'offered',
  'requests',
  'in time/s',
  'of closed loop',
  'in rounds',
  'p99 ms',
  '503',
  `503 after ${PROMPT_MS} ms`,
  '503 p99 ms',
  '504',
  'unsent',
  'RSS + MiB',
  'p99 ms after',
  'sender CPU',
];

function tableRow(factor: number, rounds: readonly Observation[]): (string | number)[] {
  const of = (name: keyof Observation) => median(rounds.map((observation) => observation[name]));
  const shares = rounds.map(({ share }) => share);
  return [
    `${factor} x`,
    of('requests'),
    of('inTime'),
    of('share'),
    `${Math.min(...shares).toFixed(2)}-${Math.max(...shares).toFixed(2)}`,
    of('p99'),
    of('refused'),
    of('slowlyRefused'),
    of('refused') > 0 ? of('refusedP99') : '-',
    of('late'),
    of('unsent'),
    of('grownMiB'),
    of('p99After'),
    of('senderCpu'),
  ];
}

function describe(result: SendResult, peak: number): Omit<Observation, 'grownMiB' | 'p99After'> {
  const { samples, unsent, cpu } = result;
  const refused = timesOf(samples, (status) => status === 503);
  const inTime = inTimePerSecond(result);
  return {
    requests: samples.length + unsent,
    inTime,
    share: inTime / peak,
    p99: quantile(timesOf(samples), 0.99),
    refused: refused.length,
    slowlyRefused: refused.filter((ms) => ms > PROMPT_MS).length,
    refusedP99: refused.length > 0 ? quantile(refused, 0.99) : 0,
    late: timesOf(samples, (status) => status === 504).length,
    unsent,
    senderCpu: cpu,
  };
}

/** @returns at its end, by how many bytes the process has grown at most */
function watchMemory(pid: number | undefined) {
  const before = residentBytesOf(pid) ?? 0;
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, residentBytesOf(pid) ?? 0);
  }, 50);
  return {
    end() {
      clearInterval(watch);
      return peak - before;
    },
  };
}

function inTimePerSecond({ samples, elapsedMs }: SendResult): number {
  return (timesOf(samples).filter((ms) => ms <= DEADLINE_MS).length * 1000) / elapsedMs;
}
