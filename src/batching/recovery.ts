// After a failed run: who gets the error, and who runs again with whom, so that a guilty request never takes its
// neighbours down. Pure.
//
//   refused values    [a b c d] ✗ ─▶ [a b] ✓   [c d] ✗ ─▶ [c] ✓   [d] ✗ ─▶ d gets the error
//   a dead engine     [a b c d] ✗ ─▶ [a] [b] [c] [d], and who kills a second engine gets the error

import type { ErrorCode } from '../errors.ts';

/** A request whose engines died this often is not tried again. */
const MOST_ENGINES_KILLED = 2;

export interface Recovery<Request> {
  /** These get the error. */
  readonly guilty: readonly Request[];
  /** Each list runs again by itself. */
  readonly retries: readonly (readonly Request[])[];
}

/** @param requests of the failed run; of those `enginesKilled` is counted up when their engine has died */
export function recover<Request extends { enginesKilled: number }>(
  requests: readonly Request[],
  code: ErrorCode,
): Recovery<Request> {
  // Who was alone in a run that did not end would only hold the next engine for as long.
  if (code === 'DEADLINE_EXCEEDED' && requests.length === 1) return { guilty: requests, retries: [] };
  if (code === 'ENGINE_FAILED' || code === 'DEADLINE_EXCEEDED') {
    for (const request of requests) request.enginesKilled++;
    const [guilty, innocent] = [requests.filter(isGuilty), requests.filter((request) => !isGuilty(request))];
    return { guilty, retries: innocent.map((request) => [request]) };
  }
  if (requests.length === 1) return { guilty: requests, retries: [] };
  const half = Math.ceil(requests.length / 2);
  return { guilty: [], retries: [requests.slice(0, half), requests.slice(half)] };
}

function isGuilty({ enginesKilled }: { enginesKilled: number }): boolean {
  return enginesKilled >= MOST_ENGINES_KILLED;
}
