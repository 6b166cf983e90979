// The errors that requests are answered with while they are with the scheduler.

import { ServingError } from '../errors.ts';

const UNLOADED_RETRY_MS = 1000;
const FAILURE_RETRY_MS = 5000;
const ADVICE = 'do not send them unchanged, and tell the operator.';

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

/** @param last what the second engine died of */
export function killedTwice(last: ServingError): ServingError {
  return new ServingError('ENGINE_FAILED', `${last.message} It was the second that died of these inputs: ${ADVICE}`);
}

export function harmful(): ServingError {
  return new ServingError('ENGINE_FAILED', `These inputs have killed two engines and are not run again: ${ADVICE}`);
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
