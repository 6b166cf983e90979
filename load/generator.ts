// The child process that sends the requests, so that printing and bookkeeping do not disturb it.

import { closedLoop } from './closed-loop.ts';
import { openLoop } from './open-loop.ts';
import { answerTasks } from './task-process.ts';
import { wrk } from './wrk.ts';

/** What sends the requests of a closed loop. */
export type Sender = 'autocannon' | 'wrk';

export interface LoadTask {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent in turn. */
  readonly bodies: readonly Uint8Array[];
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second, in an open loop; undefined: a closed loop, as many as the server takes. */
  readonly rate: number | undefined;
  /** In a closed loop; autocannon unless told. */
  readonly sender?: Sender;
}

export interface Observations {
  readonly latenciesMs: number[];
  readonly elapsedMs: number;
  /** Answers other than 200, and connections that broke. */
  readonly failures: number;
  readonly unanswered: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: number;
  readonly unanswered: number;
  /** CPU time of the generator by wall time; 1 is one core. */
  readonly generatorCpu: number;
}

answerTasks(async (task: LoadTask): Promise<LoadResult> => {
  const { rate, sender } = task;
  if (rate === undefined && sender === 'wrk') return await wrk(task);
  const cpuBefore = process.cpuUsage();
  const { latenciesMs, elapsedMs, failures, unanswered } = await (rate === undefined
    ? closedLoop(task)
    : openLoop({ ...task, rate }));
  const { user, system } = process.cpuUsage(cpuBefore);
  const sorted = Float64Array.from(latenciesMs).sort();
  return {
    requestsPerSecond: ((sorted.length - unanswered) * 1000) / elapsedMs,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    failures,
    unanswered,
    generatorCpu: (user + system) / 1000 / elapsedMs,
  };
});

function quantile(sorted: Float64Array, fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}
