// How many engines of how many threads: which plans fit the cores, and which of those that were tried is best. Pure.

import type { BatchCurvePoint } from '../batching/cost-model.ts';

export interface EnginePlan {
  /** Engine processes. */
  readonly instances: number;
  /** Threads of each. */
  readonly threads: number;
}

/** How many threads, and why so many. */
export interface ThreadChoice {
  readonly count: number;
  readonly reason: string;
}

export interface FirstPlan {
  readonly instances: number;
  readonly threads: ThreadChoice;
  /** To be used where one thread is not enough; undefined: the plan stands. */
  readonly otherwise?: ThreadChoice;
}

/** A plan as it did here, with every engine busy. */
export interface PlanTrial extends EnginePlan {
  readonly rowsPerSecond: number;
}

/** Each engine holds the weights again: a plan with more of them must be so much faster. */
const LEAST_GAIN = 0.05;

/** About what the server itself spends on a request, on one core. */
const REQUEST_MS = 0.1;
/** Whoever waits so long for one row waits less with more threads. */
const LONG_RUN_MS = 1;

/**
 * Whether more threads would only take the cores from the server: one keeps up with the requests that it can read, and a
 * row alone is soon done. Waking a second thread takes as long as such a run.
 * @param curve runs on one thread
 */
export function needsOneThread(curve: readonly BatchCurvePoint[]): boolean {
  const [alone] = curve;
  if (!alone || alone.ms > LONG_RUN_MS) return false;
  return curve.some(({ rows, ms }) => ms / rows <= REQUEST_MS);
}

/** From one engine with all cores to one core each, doubling; nearly all cores are used by each plan. */
export function candidatePlans(cores: number): EnginePlan[] {
  const plans: EnginePlan[] = [];
  for (let instances = 1; instances <= cores; instances *= 2) {
    plans.push({ instances, threads: Math.floor(cores / instances) });
  }
  return plans;
}

/** The fastest, or one with fewer engines that is at most 5 % slower. @param trials at least one */
export function choosePlan(trials: readonly PlanTrial[]): PlanTrial {
  const best = Math.max(...trials.map(({ rowsPerSecond }) => rowsPerSecond));
  return trials
    .toSorted((a, b) => a.instances - b.instances)
    .find(({ rowsPerSecond }) => rowsPerSecond >= (1 - LEAST_GAIN) * best)!;
}
