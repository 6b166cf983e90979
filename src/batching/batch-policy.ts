// Which requests share the next run. Pure: the batcher obeys it, tests and simulations call it alone.
//
// A batch is formed when an engine can take it, never before, and goes to the sub-queue whose first request is due first.
// An idle engine gets at once what there is, unless what was learnt says that a moment's wait pays: more requests usually
// follow at once, and a larger run costs hardly more. Where runs are so short that handing a batch over shows, one is sent
// ahead of the running one.
//
//   sub-queues by shape ─▶ whose first is due first ─▶ fill up to the limit ─▶ send · or wait a moment
//                          (neighbours in length too)   or to a deadline

import type { DispatchReason } from '../inference.ts';
import { sizeOf, withRequest } from './batch-size.ts';
import { cheapestSplit, type SplitLimits } from './length-split.ts';
import type { PolicyState, WaitingGroup, WaitingRequest } from './policy-state.ts';
import { worthWaiting } from './waiting.ts';

export interface BatchPolicy {
  readonly batchable: boolean;
  /** Rows of one run at most; a single larger request still runs, by itself. */
  readonly maxBatchSize: number;
  /** Largest length that requests have: with `maxBatchSize` it bounds the work of a run. */
  readonly maxLength: number;
}

/** A batch to be sent now, or the instant until which it is better to wait. */
export type BatchDecision<Request> =
  | { readonly requests: readonly Request[]; readonly reason: DispatchReason; readonly waitUntil?: undefined }
  | { readonly waitUntil: number };

/** Of so many batches one may be larger than the learnt limit. */
export const EXPLORE_EVERY = 64;
/** Requests considered for runs of mixed lengths at most. */
const MOST_CONSIDERED = 128;

/**
 * Requests that cannot be answered in time even if they ran now, by themselves; only the first of each group is looked at.
 * An idle engine tries in any case: otherwise a cost that was learnt too high would never be put right.
 */
export function hopeless<Request extends WaitingRequest>({
  groups,
  occasion,
  now,
  costs,
}: Pick<PolicyState<Request>, 'groups' | 'occasion' | 'now' | 'costs'>): Request[] {
  const found: Request[] = [];
  if (occasion === 'idle') return found;
  for (const { first, length } of groups) {
    if (first && now + costs.predictMs(first.rows * length) > first.deadlineAt) found.push(first);
  }
  return found;
}

/** @returns undefined when nothing waits */
export function nextBatch<Request extends WaitingRequest>(
  state: PolicyState<Request>,
  policy: BatchPolicy,
): BatchDecision<Request> | undefined {
  const lead = dueFirst(state.groups);
  if (!lead?.first) return undefined;
  if (lead.retry) return { requests: [...lead], reason: 'retry' };
  if (!policy.batchable) return { requests: [lead.first], reason: 'unbatched' };

  const limits = limitsOf(policy, state);
  const candidates = policy.maxLength > 1 ? ofSimilarLength(lead, state, limits) : lead;
  const { requests, reason } = fill(candidates, state, limits);
  if (reason !== state.occasion) return { requests, reason };
  const waitUntil = worthWaiting(requests, state, limits);
  if (waitUntil !== undefined) return { waitUntil };
  return { requests, reason: state.waitingSince === undefined ? reason : 'waited' };
}

function dueFirst<Request extends WaitingRequest>(
  groups: readonly WaitingGroup<Request>[],
): WaitingGroup<Request> | undefined {
  let lead: WaitingGroup<Request> | undefined;
  for (const group of groups) if (!lead || group.first!.dueAt < lead.first!.dueAt) lead = group;
  return lead;
}

function limitsOf({ maxBatchSize, maxLength }: BatchPolicy, { costs, exploring }: PolicyState<WaitingRequest>) {
  const most = maxBatchSize * maxLength;
  return { maxRows: maxBatchSize, maxWork: Math.min(most, costs.limit(most) * (exploring ? 2 : 1)) };
}

/** Those that cost least when they run with the lead's first, earliest due first. */
function ofSimilarLength<Request extends WaitingRequest>(
  lead: WaitingGroup<Request>,
  { groups, costs }: PolicyState<Request>,
  limits: SplitLimits,
): Iterable<Request> {
  const family = groups.filter((group) => group.family === lead.family && !group.retry);
  if (family.length === 1) return lead;
  const distance = ({ length }: WaitingGroup<Request>) => Math.abs(length - lead.length);
  const near: Request[] = [];
  for (const group of family.sort((a, b) => distance(a) - distance(b))) {
    for (const request of group) if (near.push(request) === MOST_CONSIDERED) break;
    if (near.length === MOST_CONSIDERED) break;
  }
  near.sort((a, b) => a.length - b.length);
  const ends = cheapestSplit(near, (work) => costs.predictMs(work), limits);
  const place = near.indexOf(lead.first!);
  const end = ends.find((candidate) => candidate > place)!;
  const start = ends[ends.indexOf(end) - 1] ?? 0;
  return near.slice(start, end).sort((a, b) => a.dueAt - b.dueAt);
}

/** Takes requests while they fit the limits and nobody would miss a deadline for the others' sake. */
function fill<Request extends WaitingRequest>(
  candidates: Iterable<Request>,
  { now, costs, occasion, backlog }: PolicyState<Request>,
  { maxRows, maxWork }: SplitLimits,
): { requests: Request[]; reason: DispatchReason } {
  // Whoever has more time than the largest run takes is in no one's way.
  const fullRunEndsAt = now + costs.caution * costs.predictMs(maxWork);
  let requests: Request[] = [];
  let size = sizeOf(requests);
  for (const request of candidates) {
    let grown = withRequest(size, request);
    if (requests.length > 0) {
      if (grown.rows > maxRows || grown.work > maxWork) return { requests, reason: 'full' };
      const endsAt = grown.deadlineAt < fullRunEndsAt ? now + costs.caution * costs.predictMs(grown.work) : 0;
      if (endsAt > grown.deadlineAt) {
        // Behind a backlog small batches would keep the engine late for good: the tightest give way to those whose turn
        // would come too late after this run, unless they are more urgent, and are dropped when their time is up.
        const nextAt = now + costs.predictMs(size.work) + costs.predictMs(maxWork);
        const comesTooLate = nextAt > request.deadlineAt;
        if (!backlog || !comesTooLate || isMoreUrgent(requests[0]!, request)) return { requests, reason: 'deadline' };
        requests = requests.filter(({ deadlineAt }) => deadlineAt >= endsAt);
        grown = withRequest(sizeOf(requests), request);
      }
    }
    requests.push(request);
    size = grown;
  }
  return { requests, reason: size.rows >= maxRows || size.work >= maxWork ? 'full' : occasion };
}

/** By priority, which shifts the place in the queue by whole milliseconds: sums of floats differ in the last bits. */
function isMoreUrgent(a: WaitingRequest, b: WaitingRequest): boolean {
  return Math.round(a.dueAt - a.deadlineAt) < Math.round(b.dueAt - b.deadlineAt);
}
