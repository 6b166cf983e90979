// What came out of a simulation, in figures.

import type { SimulatedRequest } from './policy.ts';

/** What became of a request; `refused` at the door, `dropped` from the queue, `failed` with its run. */
export type Fate = 'answered' | 'failed' | 'refused' | 'dropped';

export interface Answer {
  readonly request: SimulatedRequest;
  readonly fate: Fate;
  readonly at: number;
}

export interface SimulatedRun {
  readonly model: number;
  readonly requests: number;
  /** Rows times length of the requests themselves. */
  readonly content: number;
  /** Rows times the longest length. */
  readonly work: number;
}

export interface Outcome {
  readonly seconds: number;
  readonly answers: readonly Answer[];
  readonly runs: readonly SimulatedRun[];
}

export interface Figures {
  /** Rows answered in time, a second. */
  readonly rowsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Share of the requests with a deadline that were not answered by then, for whatever reason. */
  readonly missed: number;
  /** Requests a run. */
  readonly meanBatch: number;
  /** Share of the work that was padding. */
  readonly padding: number;
}

export function figuresOf(outcome: Outcome): Figures {
  const { answers, runs } = outcome;
  const latencies = latenciesOf(outcome);
  const withDeadline = answers.filter(({ request }) => Number.isFinite(request.deadlineAt));
  const missed = withDeadline.filter((answer) => !isGood(answer)).length / Math.max(1, withDeadline.length);
  const [content, work, requests] = (['content', 'work', 'requests'] as const).map((what) =>
    runs.reduce((sum, run) => sum + run[what], 0),
  ) as [number, number, number];
  return {
    rowsPerSecond: rowsPerSecond(outcome),
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    missed,
    meanBatch: requests / Math.max(1, runs.length),
    padding: work > 0 ? 1 - content / work : 0,
  };
}

/** Of those that were answered, in milliseconds. */
export function latenciesOf(
  { answers }: Outcome,
  which: (request: SimulatedRequest) => boolean = () => true,
): Float64Array {
  const answered = answers.filter(({ fate, request }) => fate === 'answered' && which(request));
  return Float64Array.from(answered, ({ at, request }) => at - request.at).sort();
}

/** @param sorted ascending */
export function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Rows answered by their deadlines and before the load ended. */
export function rowsPerSecond({ answers, seconds }: Outcome): number {
  const good = answers.filter((answer) => isGood(answer) && answer.at <= seconds * 1000);
  return good.reduce((sum, { request }) => sum + request.rows, 0) / seconds;
}

/** Share of the requests that were not poison and yet got an error for another's fault. */
export function innocentFailures({ answers }: Outcome): number {
  const innocent = answers.filter(({ request }) => !request.poison);
  return innocent.filter(({ fate }) => fate === 'failed').length / Math.max(1, innocent.length);
}

function isGood({ fate, at, request }: Answer): boolean {
  return fate === 'answered' && at <= request.deadlineAt;
}
