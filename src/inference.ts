// The vocabulary of one inference call, from the socket to the queue and back.

import type { NamedTensors } from './tensor/tensor.ts';

/**
 * Tells a waiting call that nobody waits for it any more; `onabort` is called once, when that becomes known. Whoever takes the
 * call over sets it; it stays set.
 */
export interface CancelSignal {
  readonly aborted: boolean;
  onabort: (() => void) | null;
}

/** Travels beside the request from the socket to the queue entry; no layer invents its own timeout. */
export interface InferenceContext {
  readonly signal: CancelSignal;
  /** Instant on the monotonic clock (performance.now) by which the answer is wanted, in milliseconds. */
  readonly deadlineAt: number;
  /** Steps behind those of usual priority; negative: before them. */
  readonly priority: number;
}

export interface RequestedOutput {
  readonly name: string;
  /** Wanted as its so many highest classes instead of the numbers; undefined: the numbers. */
  readonly classes?: number | undefined;
}

export interface InferenceRequest {
  readonly inputs: NamedTensors;
  /** The outputs wanted, none twice; undefined: all. */
  readonly outputs: readonly RequestedOutput[] | undefined;
}

/** Why a batch was sent when it was; declared once, counted in the metrics. */
export const DISPATCH_REASONS = {
  idle: 'an engine was idle, so it got at once what there was',
  slot_freed: 'an engine became free and took all that had gathered',
  ahead: 'runs are short, so it was sent ahead while another one ran',
  full: 'the batch limit was reached, or the point where more rows make none cheaper',
  deadline: 'one more row would have made another miss its deadline',
  waited: 'an idle engine had waited a moment for more, because more usually follow at once',
  unbatched: 'the model does not batch, so the request ran by itself',
  retry: 'a run with these inputs had failed, so they ran again or apart from others',
} as const;

export type DispatchReason = keyof typeof DISPATCH_REASONS;

/** Where the time went, in milliseconds, and with whom the request shared its run. */
export interface InferenceTimings {
  readonly queueMs: number;
  readonly computeMs: number;
  readonly batchRows: number;
  readonly dispatchReason: DispatchReason;
}

export interface InferenceResponse {
  readonly model: string;
  readonly version: string;
  readonly outputs: NamedTensors;
  readonly timings: InferenceTimings;
}
