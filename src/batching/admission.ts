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
  /** Of the waiting requests that would go first. */
  readonly workAhead: number;
  /** When the runs in progress are expected to end; empty: an engine stands idle. */
  readonly runsEndAt: readonly number[];
  /** Engines that serve now. */
  readonly engines: number;
  /** Largest work of one run. */
  readonly maxWork: number;
}

export interface NewRequest {
  readonly work: number;
  readonly bytes: number;
  readonly deadlineAt: number;
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  /** When it may be worth another try, in milliseconds from now. */
  readonly retryAfterMs: number;
}

/** @returns undefined when the request may enter */
export function refuse(
  request: NewRequest,
  load: QueueLoad,
  limits: QueueLimits,
  costs: CostModel,
  now: number,
): Refusal | undefined {
  const waitMs = expectedWaitMs(load, costs, now);
  const full = fullness(request, load, limits);
  if (full) {
    return { code: 'QUEUE_FULL', message: `Exceeds maximum queue size: ${full}. Retry later.`, retryAfterMs: waitMs };
  }
  const leftMs = request.deadlineAt - now;
  if (leftMs <= 0) {
    return {
      code: 'QUEUE_TIMEOUT',
      message: 'Request timeout expired before it could be queued.',
      retryAfterMs: waitMs,
    };
  }
  // An idle engine tries in any case: otherwise a cost that was learnt too high would never be put right.
  if (load.runsEndAt.length < load.engines || !costs.calibrated) return undefined;
  const neededMs = waitMs + costs.predictMs(request.work) * (1 + costs.relativeError);
  if (neededMs <= leftMs) return undefined;
  const [needed, left] = [neededMs, leftMs].map((ms) => Math.ceil(ms));
  return {
    code: 'DEADLINE_UNREACHABLE',
    message: `Request timeout would expire: an answer is expected in ${needed} ms, and ${left} ms are left. Retry later or allow more time.`,
    retryAfterMs: Math.max(0, neededMs - leftMs),
  };
}

/** Time until an engine would begin with a new request, in milliseconds. */
export function expectedWaitMs({ workAhead, runsEndAt, engines, maxWork }: QueueLoad, costs: CostModel, now: number) {
  const running = runsEndAt.reduce((sum, endAt) => sum + Math.max(0, endAt - now), 0);
  const batches = Math.floor(workAhead / maxWork);
  const waiting =
    batches * costs.predictMs(maxWork) + (workAhead > 0 ? costs.predictMs(workAhead - batches * maxWork) : 0);
  return (running + waiting) / Math.max(1, engines);
}

function fullness(
  { bytes }: NewRequest,
  load: QueueLoad,
  { maxQueueRequests, maxQueueBytes }: QueueLimits,
): string | undefined {
  if (load.requests >= maxQueueRequests) return `${maxQueueRequests} requests wait already (maxQueueRequests)`;
  if (load.requests > 0 && load.bytes + bytes > maxQueueBytes) {
    return `the waiting requests hold ${maxQueueBytes} bytes already (maxQueueBytes)`;
  }
  return undefined;
}
