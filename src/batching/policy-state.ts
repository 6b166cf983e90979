// What the policy looks at when it decides: who waits, which engine asks, and what was learnt.

import type { DispatchReason } from '../inference.ts';
import type { Arrivals } from './arrivals.ts';
import type { CostModel } from './cost-model.ts';

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
