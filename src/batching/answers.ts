// The errors that requests are answered with while they are with the scheduler.

import { ServingError } from '../errors.ts';

const UNLOADED_RETRY_MS = 1000;
const FAILURE_RETRY_MS = 5000;

export function cancelled(): ServingError {
  return new ServingError('CANCELLED', 'The client closed the connection.');
}

export function unloading(): ServingError {
  return new ServingError('MODEL_NOT_READY', 'The model is being unloaded.', { retryAfterMs: UNLOADED_RETRY_MS });
}

/** @param failure why no engine can be had */
export function unavailable(failure: string): ServingError {
  const message = `The model is unavailable: ${failure}.`;
  return new ServingError('MODEL_NOT_READY', message, { retryAfterMs: FAILURE_RETRY_MS });
}

export function harmful(): ServingError {
  return new ServingError('ENGINE_FAILED', 'These inputs have killed two engines before, and are not run again.');
}

export function lateInRun(): ServingError {
  return new ServingError('DEADLINE_EXCEEDED', 'The deadline passed while the model ran. Allow more time.');
}

export function lateInQueue(retryAfterMs: number): ServingError {
  return new ServingError('QUEUE_TIMEOUT', 'Request timeout expired while it waited for an engine.', { retryAfterMs });
}

/** What a run failed with, as its requests are told. */
export function failed(error: unknown): ServingError {
  if (error instanceof ServingError) return error;
  return new ServingError('INTERNAL', 'Internal error while a batch ran. The log has the details.', { cause: error });
}
