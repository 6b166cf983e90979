// A batch that an engine has.

import type { Batch } from './batch.ts';
import type { CoreRun } from './core-share.ts';
import type { CostModel } from './cost-model.ts';

export interface Run {
  readonly batch: Batch;
  readonly dispatchedAt: number;
  /** When it is expected to end; its beginning where nothing is known of such runs, and nobody is refused for a guess. */
  readonly endsAt: number;
  readonly cores: CoreRun;
}

/** @param before the runs that its engine has to do first @param now when it is dispatched */
export function expectedEnd({ work }: Batch, before: Iterable<Run>, costs: CostModel, now: number): number {
  let beginsAt = now;
  for (const { endsAt } of before) beginsAt = Math.max(beginsAt, endsAt);
  return beginsAt + (costs.knows(work) ? costs.predictMs(work) : 0);
}
