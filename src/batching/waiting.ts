// Whether an idle engine should wait a moment for company: when more requests usually follow at once, and a larger run
// costs hardly more. Pure.

import { sizeOf } from './batch-size.ts';
import type { CostModel } from './cost-model.ts';
import type { SplitLimits } from './length-split.ts';
import type { PolicyState, WaitingRequest } from './policy-state.ts';

/** What counts as soon: this share of the run that the waiting requests would make. */
const SOON = 0.05;
/** A wait must save so much of the time that all concerned spend. */
const LEAST_GAIN = 0.05;
/** So many windows an engine is kept waiting at most. */
const MOST_WINDOWS = 4;

/** How soon after another a request must come to be waited for, in milliseconds. @param work of a run */
export function windowMs(costs: CostModel, work: number): number {
  return SOON * costs.predictMs(work);
}

/**
 * Compares the time that all concerned would spend, k who wait and m who are likely to come within a window w:
 *
 *   now    k·L(k) + m·(L(k) + L(m))        the m wait for the run to end
 *   later  (k + m)·(w + L(k + m))
 *
 * @returns the instant until which to wait; undefined: not at all
 */
export function worthWaiting<Request extends WaitingRequest>(
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
