// How long runs of a model take here, measured when it is loaded: one row, two, four, and so on up to the limit. It also
// warms each size up. The time for it is bounded; what is not measured is learnt while serving.

import type { BatchCurvePoint } from '../batching/cost-model.ts';
import type { Executor } from '../execution/executor.ts';
import { joinRows } from '../tensor/rows.ts';
import type { NamedTensors } from '../tensor/tensor.ts';

export interface CalibrationOptions {
  /** Largest number of rows; 1 for a model that is not batched. */
  readonly maxBatchSize: number;
  /** Time for all runs together, in milliseconds. */
  readonly budgetMs: number;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** Runs of each size: the least of them is kept, because other models load at the same time. */
const [LEAST_RUNS, MOST_RUNS] = [3, 50];
/** Share of the time for a size's runs beyond the least. */
const SHARE = 0.25;

/** @param sample one row that the model has run */
export async function calibrate(
  executor: Executor,
  sample: NamedTensors,
  { maxBatchSize, budgetMs, now }: CalibrationOptions,
): Promise<BatchCurvePoint[]> {
  const endsAt = now() + budgetMs;
  const curve: BatchCurvePoint[] = [];
  const rungs = ladder(maxBatchSize);
  for (const rows of rungs) {
    // A size that would not fit the time left is not begun: at most it takes twice the one before.
    if (curve.length > 0 && now() + 2 * curve.at(-1)!.ms > endsAt) break;
    const inputs = joinRows(new Array<NamedTensors>(rows).fill(sample));
    const ms = await shortestRun(executor, inputs, {
      endsAt,
      moreUntil: now() + (SHARE * budgetMs) / rungs.length,
      now,
    });
    // Some models take a few rows and no more; what they do with many is for requests to find out.
    if (ms === undefined) break;
    curve.push({ rows, ms });
  }
  return curve;
}

/** @returns undefined when the model refuses such a run, or its engine does not survive it */
async function shortestRun(
  executor: Executor,
  inputs: NamedTensors,
  { endsAt, moreUntil, now }: { endsAt: number; moreUntil: number; now: () => number },
): Promise<number | undefined> {
  let ms = Number.POSITIVE_INFINITY;
  for (let run = 0; run < MOST_RUNS && (run === 0 || now() + ms <= endsAt); run++) {
    if (run >= LEAST_RUNS && now() >= moreUntil) break;
    const result = await executor.execute(inputs).catch(() => undefined);
    if (!result) return undefined;
    ms = Math.min(ms, result.engineMs);
  }
  return ms;
}

/** 1, 2, 4 and so on, and the limit itself. */
function ladder(most: number): number[] {
  const rungs: number[] = [];
  for (let rows = 1; rows < most; rows *= 2) rungs.push(rows);
  return [...rungs, most];
}
