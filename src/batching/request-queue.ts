// The waiting requests of one model: a sub-queue for each shape signature, earliest deadline first in each, bounded by
// count and bytes.

import type { WaitingRequest } from './batch-policy.ts';

/** What the queue needs to know of a request; the batcher keeps more in it. */
export interface QueuedRequest extends WaitingRequest {
  /** Requests with equal keys may share a run. */
  readonly key: string;
  readonly bytes: number;
}

export class RequestQueue<Request extends QueuedRequest> {
  #groups = new Map<string, Request[]>();
  #length = 0;
  #rows = 0;
  #bytes = 0;

  get length(): number {
    return this.#length;
  }

  get rows(): number {
    return this.#rows;
  }

  get bytes(): number {
    return this.#bytes;
  }

  groups(): Iterable<Request[]> {
    return this.#groups.values();
  }

  /** Puts a request behind all that are due no later; requests mostly come in order, so this mostly appends. */
  push(request: Request): void {
    let group = this.#groups.get(request.key);
    if (!group) {
      group = [];
      this.#groups.set(request.key, group);
    }
    let place = group.length;
    while (place > 0 && group[place - 1]!.deadlineAt > request.deadlineAt) place--;
    if (place === group.length) group.push(request);
    else group.splice(place, 0, request);
    this.#count(request, 1);
  }

  /** Takes the first `count` of a group out. */
  take(group: Request[], count: number): Request[] {
    const taken = group.splice(0, count);
    for (const request of taken) this.#count(request, -1);
    if (group.length === 0 && taken[0]) this.#groups.delete(taken[0].key);
    return taken;
  }

  /** Takes one request out, if it still waits. */
  remove(request: Request): void {
    const group = this.#groups.get(request.key);
    const place = group?.indexOf(request) ?? -1;
    if (!group || place < 0) return;
    group.splice(place, 1);
    this.#count(request, -1);
    if (group.length === 0) this.#groups.delete(request.key);
  }

  #count({ rows, bytes }: Request, sign: 1 | -1): void {
    this.#length += sign;
    this.#rows += sign * rows;
    this.#bytes += sign * bytes;
  }
}
