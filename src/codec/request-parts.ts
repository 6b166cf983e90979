// What the bodies of several dialects have in common: parameters, counts, and how a mistake's place is written.

import { ServingError } from '../errors.ts';

export const MOST_PARAMETERS = 100;
const LEAST_PRIORITY = 100;

export function printPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'request';
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i ? '.' : ''}${String(step)}`)).join('');
}

export function checkParameters(parameters: Record<string, unknown> = {}): void {
  const reserved = Object.keys(parameters).find((key) => key.startsWith('triton_'));
  if (reserved) throw invalid(`parameter keys starting with 'triton_' are reserved for internal usage: '${reserved}'`);
}

/** The parameter `timeout`, in microseconds. */
export function readTimeout({ timeout }: Record<string, unknown> = {}): number | undefined {
  if (timeout !== undefined && (typeof timeout !== 'number' || !(timeout >= 0))) {
    throw invalid(`parameter 'timeout' must be a number of microseconds, got ${JSON.stringify(timeout)}`);
  }
  // As in Triton, 0 stands for "no timeout of its own".
  return timeout || undefined;
}

/** The parameter `priority`: 1 is the most urgent level, larger ones come later. */
export function readPriority({ priority }: Record<string, unknown> = {}): number | undefined {
  if (priority === undefined || priority === 0) return undefined;
  if (!Number.isSafeInteger(priority) || (priority as number) < 0 || (priority as number) > LEAST_PRIORITY) {
    throw invalid(
      `parameter 'priority' must be a whole number from 1 (most urgent) to ${LEAST_PRIORITY}, or 0 for the usual level, got ${JSON.stringify(priority)}`,
    );
  }
  return priority as number;
}

/** @throws ServingError INVALID_REQUEST when a list, or an object's members, are more than so many */
export function checkCount(path: string, list: unknown, most: number): void {
  if (typeof list !== 'object' || list === null) return;
  const count = Array.isArray(list) ? list.length : Object.keys(list).length;
  if (count > most) throw invalid(`Unable to parse '${path}': at most ${most} are allowed, got ${count}`);
}

/** Texts of one request at most: each takes memory beside its characters, and twice where it is decoded in the other thread. */
const MOST_STRINGS = 2 ** 18;

/** @throws ServingError INVALID_INPUT when a request's BYTES tensors have too many elements */
export function checkStrings(count: number): void {
  if (count <= MOST_STRINGS) return;
  throw new ServingError(
    'INVALID_INPUT',
    `the request has ${count} BYTES elements: at most ${MOST_STRINGS} are taken at a time. Send it in parts.`,
  );
}

export function invalid(message: string): ServingError {
  return new ServingError('INVALID_REQUEST', message);
}
