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
import type { Arrivals } from './arrivals.ts';
import type { CostModel } from './cost-model.ts';
import { cheapestSplit, type SplitLimits } from './length-split.ts';

/** A waiting request as the policy sees it; instants in milliseconds. */
export interface WaitingRequest {
  readonly rows: number;
  /** How large a row is for its model: the padded dimension, or all free dimensions; 1 where there are none. */
  readonly length: number;
  /** Its place in the queue: the deadline, shifted by its priority. */
  readonly dueAt: number;
  /** When it must be answered. */
  readonly deadlineAt: number;
}

/** Requests of one shape, earliest due first; never empty. */
export interface WaitingGroup<Request extends WaitingRequest> extends Iterable<Request> {
  readonly first: Request | undefined;
  readonly length: number;
  readonly family: string;
  /** Their last run failed: they run again as they are, without others. */
  readonly retry: boolean;
}

export interface BatchPolicy {
  readonly batchable: boolean;
  /** Rows of one run at most; a single larger request still runs, by itself. */
  readonly maxBatchSize: number;
  /** Largest length that requests have: with `maxBatchSize` it bounds the work of a run. */
  readonly maxLength: number;
}

/** An engine stood idle, has just become free, or takes a batch ahead of the one it runs. */
export type Occasion = Extract<DispatchReason, 'idle' | 'slot_freed' | 'ahead'>;

export interface PolicyState<Request extends WaitingRequest> {
  readonly groups: readonly WaitingGroup<Request>[];
  readonly occasion: Occasion;
  /** More waits than one run can take. */
  readonly backlog?: boolean | undefined;
  readonly now: number;
  readonly costs: CostModel;
  readonly arrivals: Arrivals;
  /** Since when an engine waits for company; undefined: it does not. */
  readonly waitingSince?: number | undefined;
  /** Once in a while a batch may be twice the learnt limit, so that a limit learnt on a busy machine does not stay. */
  readonly exploring?: boolean | undefined;
}

/** A batch to be sent now, or the instant until which it is better to wait. */
export type BatchDecision<Request> =
  | { readonly requests: readonly Request[]; readonly reason: DispatchReason; readonly waitUntil?: undefined }
  | { readonly waitUntil: number };

/** Requests considered for runs of mixed lengths at most. */
const MOST_CONSIDERED = 128;
/** What counts as soon: this share of the run that the waiting requests would make. */
const SOON = 0.05;
/** A wait must save so much of the time that all concerned spend. */
const LEAST_GAIN = 0.05;
/** So many windows an engine is kept waiting at most. */
const MOST_WINDOWS = 4;

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

/** How soon after another a request must come to be waited for, in milliseconds. @param work of a run */
export function windowMs(costs: CostModel, work: number): number {
  return SOON * costs.predictMs(work);
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
  const fullRunEndsAt = now + costs.cautiousMs(maxWork);
  let requests: Request[] = [];
  let size = sizeOf(requests);
  for (const request of candidates) {
    let grown = withRequest(size, request);
    if (requests.length > 0) {
      if (grown.rows > maxRows || grown.work > maxWork) return { requests, reason: 'full' };
      const endsAt = grown.deadlineAt < fullRunEndsAt ? now + costs.cautiousMs(grown.work) : 0;
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

interface BatchSize {
  readonly rows: number;
  readonly length: number;
  readonly work: number;
  /** The earliest of its members. */
  readonly deadlineAt: number;
}

function sizeOf(requests: readonly WaitingRequest[]): BatchSize {
  const none: BatchSize = { rows: 0, length: 0, work: 0, deadlineAt: Number.POSITIVE_INFINITY };
  return requests.reduce(withRequest, none);
}

function withRequest(size: BatchSize, request: WaitingRequest): BatchSize {
  const rows = size.rows + request.rows;
  const length = Math.max(size.length, request.length);
  return { rows, length, work: rows * length, deadlineAt: Math.min(size.deadlineAt, request.deadlineAt) };
}

/** By priority, which shifts the place in the queue by whole milliseconds: sums of floats differ in the last bits. */
function isMoreUrgent(a: WaitingRequest, b: WaitingRequest): boolean {
  return Math.round(a.dueAt - a.deadlineAt) < Math.round(b.dueAt - b.deadlineAt);
}

/**
 * Compares the time that all concerned would spend, k who wait and m who are likely to come within a window w:
 *
 *   now    k·L(k) + m·(L(k) + L(m))        the m wait for the run to end
 *   later  (k + m)·(w + L(k + m))
 */
function worthWaiting<Request extends WaitingRequest>(
  requests: readonly Request[],
  { occasion, now, costs, arrivals, waitingSince = now }: PolicyState<Request>,
  { maxRows, maxWork }: SplitLimits,
): number | undefined {
  const { likelihood } = arrivals;
  if (occasion === 'ahead' || !costs.calibrated || likelihood < 0.5) return undefined;
  const { rows, length, deadlineAt } = sizeOf(requests);
  const k = requests.length;
  const work = (rows * length) / k;
  const room = Math.min((maxRows * length) / work, maxWork / work) - k;
  const m = Math.min(likelihood / (1 - likelihood), room);
  const window = windowMs(costs, k * work);
  const until = arrivals.lastAt + window;
  if (m < 1 || until <= now || now - waitingSince >= MOST_WINDOWS * window) return undefined;
  const together = costs.predictMs((k + m) * work);
  const spentNow = k * costs.predictMs(k * work) + m * (costs.predictMs(k * work) + costs.predictMs(m * work));
  const spentLater = (k + m) * (window + together);
  return spentLater < (1 - LEAST_GAIN) * spentNow && until + together <= deadlineAt ? until : undefined;
}
