// The waiting requests of one model: a sub-queue for each shape signature, earliest due first in each. Leaving the queue
// costs the same wherever a request stands in it, because the sub-queues are linked lists.

import type { WaitingGroup, WaitingRequest } from './batch-policy.ts';

/** What the queue needs to know of a request; the batcher keeps more in it. */
export interface QueuedRequest extends WaitingRequest {
  /** Requests with equal keys have the same shapes and may share a run. */
  readonly key: string;
  /** Requests of one family may share a run once they are padded to one length; equal to `key` where nothing is padded. */
  readonly family: string;
  readonly bytes: number;
  /** Runs again with those of its key and no others: their last run failed. */
  readonly retry: boolean;
}

interface Place<Request> {
  readonly request: Request;
  previous: Place<Request> | undefined;
  next: Place<Request> | undefined;
}

export class RequestQueue<Request extends QueuedRequest> {
  #groups = new Map<string, Group<Request>>();
  #places = new Map<Request, Place<Request>>();
  #work = 0;
  #bytes = 0;

  get length(): number {
    return this.#places.size;
  }

  /** Rows times length of all. */
  get work(): number {
    return this.#work;
  }

  get bytes(): number {
    return this.#bytes;
  }

  groups(): readonly WaitingGroup<Request>[] {
    return [...this.#groups.values()];
  }

  /** Everyone, group by group. */
  [Symbol.iterator](): Iterator<Request> {
    return this.#places.keys();
  }

  /** Puts a request behind all that are due no later; requests mostly come in order, so this mostly appends. */
  push(request: Request): void {
    let group = this.#groups.get(request.key);
    if (!group) {
      group = new Group(request);
      this.#groups.set(request.key, group);
    }
    this.#places.set(request, group.insert(request));
    this.#count(request, 1);
  }

  /** Takes a request out, if it waits. */
  remove(request: Request): void {
    const place = this.#places.get(request);
    const group = this.#groups.get(request.key);
    if (!place || !group) return;
    this.#places.delete(request);
    group.unlink(place);
    if (!group.first) this.#groups.delete(request.key);
    this.#count(request, -1);
  }

  /** Work of the requests that are due later. */
  workBehind(dueAt: number): number {
    let work = 0;
    for (const group of this.#groups.values()) work += group.workBehind(dueAt);
    return work;
  }

  #count({ rows, length, bytes }: Request, sign: 1 | -1): void {
    this.#work += sign * rows * length;
    this.#bytes += sign * bytes;
  }
}

class Group<Request extends QueuedRequest> implements WaitingGroup<Request> {
  readonly family: string;
  readonly length: number;
  readonly retry: boolean;
  #head: Place<Request> | undefined;
  #tail: Place<Request> | undefined;

  constructor({ family, length, retry }: Request) {
    this.family = family;
    this.length = length;
    this.retry = retry;
  }

  get first(): Request | undefined {
    return this.#head?.request;
  }

  *[Symbol.iterator](): Iterator<Request> {
    for (let place = this.#head; place; place = place.next) yield place.request;
  }

  insert(request: Request): Place<Request> {
    let previous = this.#tail;
    while (previous && previous.request.dueAt > request.dueAt) previous = previous.previous;
    const next = previous ? previous.next : this.#head;
    const place = { request, previous, next };
    if (previous) previous.next = place;
    else this.#head = place;
    if (next) next.previous = place;
    else this.#tail = place;
    return place;
  }

  unlink({ previous, next }: Place<Request>): void {
    if (previous) previous.next = next;
    else this.#head = next;
    if (next) next.previous = previous;
    else this.#tail = previous;
  }

  workBehind(dueAt: number): number {
    let work = 0;
    for (let place = this.#tail; place && place.request.dueAt > dueAt; place = place.previous) {
      work += place.request.rows * place.request.length;
    }
    return work;
  }
}
