// What a model hands its checked requests to.

import type { InferenceContext, InferenceTimings } from '../inference.ts';
import type { NamedTensors } from '../tensor/tensor.ts';

export interface ScheduledResult {
  readonly outputs: NamedTensors;
  readonly timings: InferenceTimings;
}

export interface Scheduler {
  /**
   * To be asked before a large request is read.
   * @param bytes of its tensors, as far as is known
   * @throws ServingError QUEUE_FULL where it would not be taken now, because of those who wait
   */
  checkRoom(bytes: number): void;
  /**
   * Waits for a place in a batch and for its run.
   * @param outputs names of the outputs wanted; undefined: all
   * @throws ServingError QUEUE_FULL, QUEUE_TIMEOUT, DEADLINE_EXCEEDED, CANCELLED, INFERENCE_FAILED, ENGINE_FAILED,
   *   MODEL_NOT_READY or SERVER_STOPPING
   */
  enqueue(
    inputs: NamedTensors,
    outputs: readonly string[] | undefined,
    context: InferenceContext,
  ): Promise<ScheduledResult>;
  /** Requests inside, waiting or running. */
  readonly inFlight: number;
  /** Requests waiting. */
  readonly queued: number;
  /** Takes no more and resolves when all that is inside has been answered. */
  stop(): Promise<void>;
}
