// How large a batch is, and how soon it is due, as it grows.

import type { WaitingRequest } from './policy-state.ts';

export interface BatchSize {
  readonly rows: number;
  readonly length: number;
  readonly work: number;
  /** The earliest of its members. */
  readonly deadlineAt: number;
}

export function sizeOf(requests: readonly WaitingRequest[]): BatchSize {
  const none: BatchSize = { rows: 0, length: 0, work: 0, deadlineAt: Number.POSITIVE_INFINITY };
  return requests.reduce(withRequest, none);
}

export function withRequest(size: BatchSize, request: WaitingRequest): BatchSize {
  const rows = size.rows + request.rows;
  const length = Math.max(size.length, request.length);
  return { rows, length, work: rows * length, deadlineAt: Math.min(size.deadlineAt, request.deadlineAt) };
}
