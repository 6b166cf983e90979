// Which requests share the next run. Pure: the batcher obeys it, tests and simulations call it alone.
//
// A batch is formed when an engine can take it, never before, from one sub-queue: requests of one shape signature in
// order of their deadlines. An idle engine gets at once what there is; nothing ever waits for company. Where runs are so
// short that handing a batch over shows, one is sent ahead of the running one.

import type { DispatchReason } from '../inference.ts';

/** A waiting request as the policy sees it. */
export interface WaitingRequest {
  readonly rows: number;
  readonly deadlineAt: number;
  /** Runs by itself: its last batch failed, and it must not take others down. */
  readonly alone: boolean;
}

export interface BatchPolicy {
  readonly batchable: boolean;
  /** Rows of one run at most; a single larger request still runs, by itself. */
  readonly maxBatchSize: number;
}

/** An engine stood idle, has just become free, or takes a batch ahead of the one it runs. */
export type Occasion = Extract<DispatchReason, 'idle' | 'slot_freed' | 'ahead'>;

export interface BatchDecision<Group> {
  readonly group: Group;
  /** How many requests from the front of the group. */
  readonly take: number;
  readonly reason: DispatchReason;
}

/**
 * Picks the group whose first request is due first, and as much of it as fits one run.
 * @param groups non-empty sub-queues, each in order of deadline
 * @param occasion why an engine can take a batch now
 * @returns undefined when nothing waits
 */
export function nextBatch<Group extends readonly WaitingRequest[]>(
  groups: Iterable<Group>,
  policy: BatchPolicy,
  occasion: Occasion,
): BatchDecision<Group> | undefined {
  let group: Group | undefined;
  for (const candidate of groups) {
    if (candidate.length > 0 && (!group || candidate[0]!.deadlineAt < group[0]!.deadlineAt)) group = candidate;
  }
  if (!group) return undefined;
  const first = group[0]!;
  if (first.alone) return { group, take: 1, reason: 'alone' };
  if (!policy.batchable) return { group, take: 1, reason: 'unbatched' };

  let rows = first.rows;
  let take = 1;
  while (take < group.length) {
    const next = group[take]!;
    if (next.alone || rows + next.rows > policy.maxBatchSize) break;
    rows += next.rows;
    take++;
  }
  const full = rows >= policy.maxBatchSize || take < group.length;
  return { group, take, reason: full ? 'full' : occasion };
}
