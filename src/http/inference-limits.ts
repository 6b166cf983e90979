// Until when an answer is wanted, and how urgently.

import type { IncomingHttpHeaders } from 'node:http';
import type { DecodedRequest } from '../codec/codec.ts';
import { ServingError } from '../errors.ts';
import type { InferenceContext } from '../inference.ts';
import type { Model } from '../model/model.ts';

const TIMEOUT = 'x-request-timeout-ms';

/**
 * The earliest of the model's limit, the `x-request-timeout-ms` header and the protocol's `timeout` parameter.
 * @param receivedAt when the request had come; monotonic clock, in milliseconds
 * @throws ServingError INVALID_REQUEST for a header that is no time
 */
export function limitsOf(
  headers: IncomingHttpHeaders,
  { timeoutUs, priority }: DecodedRequest,
  receivedAt: number,
  { requestTimeoutMs, usualPriority }: Model['facts'],
): Omit<InferenceContext, 'signal'> {
  let timeoutMs = requestTimeoutMs;
  const header = headers[TIMEOUT];
  if (header !== undefined) {
    const ms = /^[0-9]{1,9}$/.test(String(header)) ? Number(header) : 0;
    if (ms === 0) {
      throw new ServingError(
        'INVALID_REQUEST',
        `${TIMEOUT} must be a whole number of milliseconds from 1, got '${header}'`,
      );
    }
    timeoutMs = Math.min(timeoutMs, ms);
  }
  if (timeoutUs !== undefined) timeoutMs = Math.min(timeoutMs, timeoutUs / 1000);
  return { deadlineAt: receivedAt + timeoutMs, priority: (priority ?? usualPriority) - usualPriority };
}
