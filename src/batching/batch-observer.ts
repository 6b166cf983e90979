// What becomes known of every run, for metrics and statistics.

import type { DispatchReason } from '../inference.ts';

/** Times in milliseconds: each request's wait, joining the batch, the run, cutting the outputs apart. */
export interface FinishedBatch {
  readonly rows: number;
  readonly queueMs: readonly number[];
  readonly inputMs: number;
  readonly computeMs: number;
  readonly outputMs: number;
  readonly reason: DispatchReason;
  /** How long the batch took its engine, and what had been predicted; 0: nothing. */
  readonly engineMs: number;
  readonly predictedMs: number;
  /** Share of the run that was padding, from 0. */
  readonly padding: number;
  /** Requests whose deadline had passed when the run began. */
  readonly late: number;
}

/** Hears of every run and of the queue's length; for the metrics. */
export interface BatchObserver {
  batchExecuted(batch: FinishedBatch): void;
  batchFailed(): void;
  queueChanged(waiting: number, running: number): void;
}
