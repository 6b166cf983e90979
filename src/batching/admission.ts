// Who is let into the queue: a request that could not be served in time is told so at once, not when its time is up. Pure.

import type { ErrorCode } from '../errors.ts';
import type { CostModel } from './cost-model.ts';

export interface QueueLimits {
  readonly maxQueueRequests: number;
  readonly maxQueueBytes: number;
}

/** What a new request would find; instants and times in milliseconds, work is rows times length. */
export interface QueueLoad {
  readonly requests: number;
  readonly bytes: number;
  /** Of all waiting requests. */
  readonly work: number;
  /** Runs in progress, and when each is expected to end. */
  readonly running: readonly { readonly endsAt: number }[];
  /** Engines that serve now. */
  readonly engines: number;
  /** Largest work of one run. */
  readonly maxWork: number;
  /** Work that is asked for in a millisecond, let in or not. */
  readonly demand: number;
  /** Of the waiting requests that are due later. */
  workBehind(dueAt: number): number;
  /** Of the waiting requests that go first, the deadline that is nearest; infinite when none waits. */
  firstDeadline(): number;
}

export interface NewRequest {
  readonly work: number;
  readonly bytes: number;
  /** Its place in the queue. */
  readonly dueAt: number;
  readonly deadlineAt: number;
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  /** When it may be worth another try, in milliseconds from now. */
  readonly retryAfterMs: number;
}

/**
 * Times the usual margin, for a request that the engines' next runs have no room for. With recorded runs, which
 * took 0.8 to 1.9 times what was predicted, played back at 1.2 to 5 times what can be served: half as many late refusals,
 * and at most 1.5 % fewer answers in time.
 */
const MARGIN_OF_THE_UNNEEDED = 2;

/** @returns undefined when the request may enter */
export function refuse(
  request: NewRequest,
  load: QueueLoad,
  limits: QueueLimits,
  costs: CostModel,
  now: number,
): Refusal | undefined {
  const full = refuseIfFull(request.bytes, load, limits, costs, now);
  if (full) return full;
  const leftMs = request.deadlineAt - now;
  if (leftMs <= 0) {
    const retryAfterMs = expectedWaitMs(load, costs, now);
    return { code: 'QUEUE_TIMEOUT', message: 'Request timeout expired before it could be queued.', retryAfterMs };
  }
  // An idle engine tries in any case: otherwise a cost that was learnt too high would never be put right. And how soon a
  // dead one is replaced is not known, nor what a run takes that is far larger or smaller than any before.
  if (load.running.length < load.engines || load.engines === 0 || !costs.calibrated) return undefined;
  const runWork = expectedWork(request, leftMs, load, costs, now);
  if (!costs.knows(runWork)) return undefined;
  const runMs = costs.predictMs(runWork);
  const neededAfter = (work: number) => {
    const runs = Math.ceil((work + request.work) / runWork);
    // While the engines' next runs have room, a refusal may leave one idle. Any other place is better given to who comes
    // later, and is surer to be in time.
    const hasRoom = work < load.engines * runWork;
    const caution = hasRoom ? costs.caution : 1 + MARGIN_OF_THE_UNNEEDED * (costs.caution - 1);
    return ((runningMs(load, now) + runs * runMs) * caution) / load.engines;
  };
  // Mostly there is time even if all the others go first.
  if (neededAfter(load.work) <= leftMs) return undefined;
  const neededMs = neededAfter(load.work - load.workBehind(request.dueAt));
  if (neededMs <= leftMs) return undefined;
  const [needed, left] = [neededMs, leftMs].map((ms) => Math.ceil(ms));
  return {
    code: 'DEADLINE_UNREACHABLE',
    message: `Request timeout would expire: an answer is expected in ${needed} ms, and ${left} ms are left. Retry later or allow more time.`,
    retryAfterMs: neededMs - leftMs,
  };
}

/**
 * Work of the run that a request would share. Others fill it up if they wait already, or come in the time that it leaves
 * before it must begin; without enough of them, or where it takes all who wait and ends too late for who goes first, it is
 * half as large, and so on. A request larger than that has a run for itself, and the others are taken to be like it.
 */
function expectedWork(
  { work: own }: NewRequest,
  leftMs: number,
  load: QueueLoad,
  costs: CostModel,
  now: number,
): number {
  for (let work = load.maxWork; work > own; work /= 2) {
    const runMs = costs.predictMs(work);
    const spareMs = leftMs / costs.caution - runMs;
    if (spareMs <= 0 || load.work + load.demand * spareMs < work) continue;
    if (load.work + own > work) return work;
    const endsAt = now + (runningMs(load, now) / load.engines + runMs) * costs.caution;
    if (endsAt <= load.firstDeadline()) return work;
  }
  return own;
}

/** The part that needs nothing of the request but its size. */
export function refuseIfFull(
  bytes: number,
  load: QueueLoad,
  limits: QueueLimits,
  costs: CostModel,
  now: number,
): Refusal | undefined {
  const full = fullness(bytes, load, limits);
  if (full === undefined) return undefined;
  const retryAfterMs = expectedWaitMs(load, costs, now);
  return { code: 'QUEUE_FULL', message: `Exceeds maximum queue size: ${full}. Retry later.`, retryAfterMs };
}

/** Time until the engines have done what they run and what waits, in milliseconds. */
export function expectedWaitMs(load: QueueLoad, costs: CostModel, now: number): number {
  const runWork = Math.max(Math.min(load.work, load.maxWork), load.work / Math.max(1, load.requests));
  const runs = load.work > 0 ? Math.ceil(load.work / runWork) : 0;
  return (runningMs(load, now) + runs * costs.predictMs(runWork)) / Math.max(1, load.engines);
}

function runningMs({ running }: QueueLoad, now: number): number {
  let ms = 0;
  for (const { endsAt } of running) ms += Math.max(0, endsAt - now);
  return ms;
}

function fullness(
  bytes: number,
  load: QueueLoad,
  { maxQueueRequests, maxQueueBytes }: QueueLimits,
): string | undefined {
  if (load.requests >= maxQueueRequests) return `${maxQueueRequests} requests wait already (maxQueueRequests)`;
  if (load.requests > 0 && load.bytes + bytes > maxQueueBytes) {
    return `with this one, the waiting requests would take over ${maxQueueBytes} bytes of memory (maxQueueBytes)`;
  }
  return undefined;
}
