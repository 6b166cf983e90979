// The workloads of docs/scheduler.md.

import { innocentFailures, latenciesOf, mean, quantile, rowsPerSecond } from './figures.ts';
import type { SimulatedModel } from './policy.ts';
import type { Merit, RandomNumber, Workload } from './workload.ts';

const MEAN: Merit = { name: 'mean ms', better: 'lower', of: (outcome) => mean(latenciesOf(outcome)) };
const P99: Merit = { name: 'p99 ms', better: 'lower', of: (outcome) => quantile(latenciesOf(outcome), 0.99) };
const THROUGHPUT: Merit = { name: 'rows/s', better: 'higher', of: rowsPerSecond };
const IN_TIME: Merit = { name: 'rows/s in time', better: 'higher', of: rowsPerSecond };
const URGENT_P99: Merit = {
  name: 'p99 ms of the urgent',
  better: 'lower',
  of: (outcome) =>
    quantile(
      latenciesOf(outcome, ({ priority }) => priority === 1),
      0.99,
    ),
};
const LIGHT_P99: Merit = {
  name: 'p99 ms of the light model',
  better: 'lower',
  of: (outcome) =>
    quantile(
      latenciesOf(outcome, ({ model }) => model === 1),
      0.99,
    ),
};
const INNOCENT: Merit = { name: 'innocent failures', better: 'lower', of: innocentFailures };

/** @param fixedMs cost of a run, @param rowMs of each row */
export function linearModel(fixedMs: number, rowMs: number, maxLength = 1): SimulatedModel {
  return { costMs: (work) => fixedMs + (rowMs * work) / maxLength, maxBatchSize: 32, maxLength };
}

/** 2 ms a run and 0.25 ms a row: 489 rows/s by themselves, 3200 rows/s in batches of 32. */
const USUAL = linearModel(2, 0.25);
const FLAT = linearModel(5, 0);
const PROPORTIONAL = linearModel(0, 2);
/** Cheapest by the row at 4 and 5 rows. */
const CONVEX: SimulatedModel = { costMs: (rows) => 1 + rows + 0.05 * rows ** 2, maxBatchSize: 32, maxLength: 1 };
/** An encoder whose rows of 256 tokens take 4 ms. */
const ENCODER = linearModel(0.5, 4, 256);
const LIGHT = linearModel(1, 0.5);
const HEAVY = linearModel(2, 4);

const one = (model: SimulatedModel) => ({ models: [model], cores: 1, seconds: 15 });
const open = (perSecond: number) => ({ kind: 'open', perSecond }) as const;
const closed = (clients: number, pauseMs = 0.3) => ({ kind: 'closed', clients, pauseMs }) as const;
const bursts = (size: number, everyMs: number, withinMs: number) =>
  ({ kind: 'bursts', size, everyMs, withinMs }) as const;
const lengths = (random: RandomNumber) => ({ length: Math.round(8 * 32 ** random()) });

export const WORKLOADS: readonly Workload[] = [
  {
    name: 'low load',
    about: '20 requests/s, at random; a run costs 2 ms + 0.25 ms a row',
    ...one(USUAL),
    streams: [{ arrival: open(20) }],
    merit: MEAN,
  },
  {
    name: 'half load',
    about: '1600 requests/s, half of what batches of 32 can take',
    ...one(USUAL),
    streams: [{ arrival: open(1600) }],
    merit: MEAN,
  },
  {
    name: 'high load',
    about: '2700 requests/s, 85 % of what batches of 32 can take',
    ...one(USUAL),
    streams: [{ arrival: open(2700) }],
    merit: P99,
  },
  {
    name: 'bursts',
    about: '24 requests within 1 ms, every 50 ms',
    ...one(USUAL),
    streams: [{ arrival: bursts(24, 50, 1) }],
    merit: MEAN,
  },
  {
    name: 'closed loop, 4',
    about: '4 clients that come back 0.3 ms after their answers',
    ...one(USUAL),
    streams: [{ arrival: closed(4) }],
    merit: THROUGHPUT,
  },
  {
    name: 'closed loop, 64',
    about: '64 clients that come back 0.3 ms after their answers',
    ...one(USUAL),
    streams: [{ arrival: closed(64) }],
    merit: THROUGHPUT,
  },
  {
    name: 'mixed shapes',
    about: '32 clients, each request of one of three shapes that cannot share a run',
    ...one(USUAL),
    streams: [{ arrival: closed(32), kind: (random) => ({ shape: 'ABC'[Math.floor(random() * 3)]! }) }],
    merit: THROUGHPUT,
  },
  {
    name: 'mixed lengths',
    about: '64 clients, lengths from 8 to 256, short ones more often; a row of 256 takes 4 ms',
    ...one(ENCODER),
    streams: [{ arrival: closed(64), kind: lengths }],
    merit: THROUGHPUT,
  },
  {
    name: 'mixed lengths, open',
    about: '500 requests/s of such lengths, about 70 % of what can be done without padding',
    ...one(ENCODER),
    streams: [{ arrival: open(500), kind: lengths }],
    merit: MEAN,
  },
  {
    name: 'heavy tail',
    about: '500 requests/s of 1 to 32 rows, mostly few (Pareto, 1.1)',
    ...one(USUAL),
    streams: [
      { arrival: open(500), kind: (random) => ({ rows: Math.min(32, Math.floor((1 - random()) ** (-1 / 1.1))) }) },
    ],
    merit: MEAN,
  },
  {
    name: 'two models',
    about: '32 clients of a heavy model beside 40 requests/s of a light one, on one core',
    models: [HEAVY, LIGHT],
    cores: 1,
    seconds: 15,
    streams: [{ arrival: closed(32) }, { arrival: open(40), model: 1 }],
    merit: LIGHT_P99,
  },
  {
    name: 'deadlines',
    about: '2700 requests/s, each to be answered within 25 ms',
    ...one(USUAL),
    streams: [{ arrival: open(2700), kind: () => ({ deadlineMs: 25 }) }],
    merit: IN_TIME,
  },
  {
    name: 'overload, deadlines',
    about: '6400 requests/s, twice what can be done, each to be answered within 100 ms',
    ...one(USUAL),
    streams: [{ arrival: open(6400), kind: () => ({ deadlineMs: 100 }) }],
    merit: IN_TIME,
  },
  {
    name: 'priorities',
    about: 'bursts of 128 every 60 ms, and 100 urgent requests/s',
    ...one(USUAL),
    streams: [{ arrival: bursts(128, 60, 5) }, { arrival: open(100), kind: () => ({ priority: 1 }) }],
    merit: URGENT_P99,
  },
  {
    name: 'poison',
    about: '16 clients, 1 request in 100 fails the run that it is part of',
    ...one(USUAL),
    streams: [{ arrival: closed(16), kind: (random) => ({ poison: random() < 0.01 }) }],
    merit: INNOCENT,
  },
  {
    name: 'flat cost',
    about: '16 clients, a run costs 5 ms whatever its rows',
    ...one(FLAT),
    streams: [{ arrival: closed(16) }],
    merit: THROUGHPUT,
  },
  {
    name: 'linear cost',
    about: '400 requests/s, a row costs 2 ms and a run nothing more',
    ...one(PROPORTIONAL),
    streams: [{ arrival: open(400) }],
    merit: MEAN,
  },
  {
    name: 'convex cost',
    about: '32 clients, a run of n rows costs 1 + n + 0.05 n² ms: least by the row at 4 or 5',
    ...one(CONVEX),
    streams: [{ arrival: closed(32) }],
    merit: THROUGHPUT,
  },
];
