// A request while it is with the scheduler.

import type { ServingError } from '../errors.ts';
import type { InferenceContext } from '../inference.ts';
import { lengthOf, type PaddingPlan } from '../tensor/padding.ts';
import { type FreeAxes, rowSize, rowsOf, type ShapeKeys, shapeKey } from '../tensor/rows.ts';
import { byteLength, type NamedTensors } from '../tensor/tensor.ts';
import type { QueuedRequest } from './request-queue.ts';
import type { ScheduledResult } from './scheduler.ts';

export interface Entry extends QueuedRequest {
  readonly inputs: NamedTensors;
  readonly outputs: readonly string[] | undefined;
  /** Rows times length. */
  readonly work: number;
  readonly enqueuedAt: number;
  /** The request's own deadline; while it waits, the end of its wait if that is sooner. */
  deadlineAt: number;
  enginesKilled: number;
  readonly context: InferenceContext;
  state: 'waiting' | 'running' | 'answered';
  readonly resolve: (result: ScheduledResult) => void;
  readonly reject: (error: ServingError) => void;
}

/** A level of priority is worth so much earlier or later a deadline, in milliseconds: those who wait long get their turn. */
export const PRIORITY_STEP_MS = 1000;

/**
 * Bytes of memory that a waiting tensor's byte takes: the body that it came in, its part of what others bring meanwhile, and
 * what the allocator cannot give back. `npm run chaos -- overload` measures it.
 */
export const MEMORY_OF_A_BYTE = 2;

/** How the shapes of one model's requests are judged. */
export interface Shapes {
  /** The model's free dimensions. */
  readonly axes: FreeAxes;
  readonly keys: ShapeKeys;
}

/** @param now when it was enqueued */
export function createEntry(
  request: Pick<Entry, 'inputs' | 'outputs' | 'context' | 'resolve' | 'reject'>,
  options: { batchable: boolean; padding?: PaddingPlan | undefined; queueTimeoutMs?: number | undefined },
  { axes, keys }: Shapes,
  now: number,
): Entry {
  const { inputs, outputs, context } = request;
  const { batchable, padding, queueTimeoutMs = Number.POSITIVE_INFINITY } = options;
  const deadlineAt = Math.min(context.deadlineAt, now + queueTimeoutMs);
  const wanted = outputs ? JSON.stringify(outputs) : '';
  const padded = batchable && padding ? lengthOf(inputs, padding) : undefined;
  const length = Math.max(1, padded ?? rowSize(inputs, axes));
  const key = wanted + (batchable ? keys.keyOf(inputs) : '');
  const family = padding && padded !== undefined ? wanted + shapeKey(inputs, padding.inputs) : key;
  const rows = batchable ? rowsOf(inputs) : 1;
  return {
    inputs,
    outputs,
    context,
    resolve: request.resolve,
    reject: request.reject,
    place: undefined,
    key,
    family,
    rows,
    length,
    work: Math.max(1, rows * length),
    bytes: MEMORY_OF_A_BYTE * bytesOf(inputs),
    enqueuedAt: now,
    deadlineAt,
    dueAt: deadlineAt + context.priority * PRIORITY_STEP_MS,
    retry: false,
    enginesKilled: 0,
    state: 'waiting',
  };
}

function bytesOf(inputs: NamedTensors): number {
  let bytes = 0;
  for (const tensor of inputs.values()) bytes += byteLength(tensor);
  return bytes;
}
