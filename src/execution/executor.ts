// What runs a batch: the seam between the scheduler and the engines.

import type { TensorSignature } from '../tensor/signature.ts';
import type { NamedTensors } from '../tensor/tensor.ts';

/** Times in milliseconds, instants on the monotonic clock of `performance.now()`. */
export interface ExecutionResult {
  readonly outputs: NamedTensors;
  /** Time inside the runtime. */
  readonly computeMs: number;
  /** How long the batch took the engine, handing it over included. */
  readonly engineMs: number;
  /** When the run began. */
  readonly startedAt: number;
}

export interface ExecutionOptions {
  /** Names of the outputs wanted; undefined: all. */
  readonly outputs?: readonly string[] | undefined;
  /** Not to be begun after this instant; undefined: whenever. */
  readonly beginBy?: number | undefined;
}

/** The batch was not begun: its engine died while it ran another one, or `beginBy` had passed. It can run again. */
export class NotStartedError extends Error {}

export interface Executor {
  readonly signature: TensorSignature;
  /** Engines that serve now; 0 while every one is being replaced. */
  readonly engines: number;
  /** How many batches it takes now: one for each engine, and one prepared ahead of it where runs are short. */
  readonly slots: number;
  /** Why no engine can be had for now (a crash loop), or undefined. */
  readonly failure: string | undefined;
  /**
   * Runs one batch; call it only while fewer than `slots` are running.
   * @throws ServingError INFERENCE_FAILED (the runtime refused the values), ENGINE_FAILED (the engine died during the run),
   *   DEADLINE_EXCEEDED (the run limit was reached and the engine was killed)
   * @throws NotStartedError when the run did not begin
   */
  execute(inputs: NamedTensors, options?: ExecutionOptions): Promise<ExecutionResult>;
  /** Called whenever `slots` or `failure` has changed. */
  onChange(listener: () => void): void;
  /** Releases the engines now. */
  close(): Promise<void>;
}
