// How many rows a second a plan does with every engine busy.

import type { Executor } from '../execution/executor.ts';
import { joinRows } from '../tensor/rows.ts';
import type { NamedTensors } from '../tensor/tensor.ts';
import type { PlanTrial } from './engine-plan.ts';

export interface TrialOptions {
  readonly threads: number;
  /** All engines of the plan are there. */
  readonly instances: number;
  readonly sample: NamedTensors;
  /** Rows of each run. */
  readonly rows: number;
  /** Length of the trial, after one run of each engine, in milliseconds. */
  readonly budgetMs: number;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** @throws what the executor throws for a run that fails */
export async function tryPlan(executor: Executor, options: TrialOptions): Promise<PlanTrial> {
  const { threads, instances, sample, rows, budgetMs, now } = options;
  const inputs = joinRows(new Array<NamedTensors>(rows).fill(sample));
  const engines = Array.from({ length: instances });
  await Promise.all(engines.map(() => executor.execute(inputs)));
  const startedAt = now();
  let runs = 0;
  await Promise.all(
    engines.map(async () => {
      do {
        await executor.execute(inputs);
        runs++;
      } while (now() - startedAt < budgetMs);
    }),
  );
  return { instances, threads, rowsPerSecond: (runs * rows * 1000) / (now() - startedAt) };
}
