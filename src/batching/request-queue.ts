// The waiting requests of one model: a sub-queue for each shape signature, earliest due first in each. Leaving the queue
// costs the same wherever a request stands in it: the sub-queues are linked lists, whose links the requests hold themselves.

import type { WaitingGroup, WaitingRequest } from './policy-state.ts';

/** What the queue needs to know of a request; the batcher keeps more in it. */
export interface QueuedRequest extends WaitingRequest {
  /** Requests with equal keys have the same shapes and may share a run. */
  readonly key: string;
  /** Requests of one family may share a run once they are padded to one length; equal to `key` where nothing is padded. */
  readonly family: string;
  /** What it takes in memory. */
  readonly bytes: number;
  /** Runs again with those of its key and no others: their last run failed. */
  readonly retry: boolean;
  /** The queue's own; undefined while a request is not in it. */
  place?: Place | undefined;
}

interface Place {
  readonly group: object;
  previous: QueuedRequest | undefined;
  next: QueuedRequest | undefined;
}

export class RequestQueue<Request extends QueuedRequest> {
  #groups = new Map<string, Group<Request>>();
  #length = 0;
  #work = 0;
  #bytes = 0;

  get length(): number {
    return this.#length;
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
  *[Symbol.iterator](): Iterator<Request> {
    for (const group of this.#groups.values()) yield* group;
  }

  /** Puts a request behind all that are due no later; requests mostly come in order, so this mostly appends. */
  push(request: Request): void {
    let group = this.#groups.get(request.key);
    if (!group) {
      group = new Group(request);
      this.#groups.set(request.key, group);
    }
    group.insert(request);
    this.#count(request, 1);
  }

  /** Takes a request out, if it waits. */
  remove(request: Request): void {
    if (!request.place) return;
    const group = request.place.group as Group<Request>;
    group.unlink(request);
    if (!group.first) this.#groups.delete(request.key);
    this.#count(request, -1);
  }

  /** Work of the requests that are due later. */
  workBehind(dueAt: number): number {
    let work = 0;
    for (const group of this.#groups.values()) work += group.workBehind(dueAt);
    return work;
  }

  /** The nearest deadline of those that go first in their groups; infinite when none waits. */
  firstDeadline(): number {
    let nearest = Number.POSITIVE_INFINITY;
    for (const group of this.#groups.values()) nearest = Math.min(nearest, group.first!.deadlineAt);
    return nearest;
  }

  #count({ rows, length, bytes }: Request, sign: 1 | -1): void {
    this.#length += sign;
    this.#work += sign * rows * length;
    this.#bytes += sign * bytes;
  }
}

class Group<Request extends QueuedRequest> implements WaitingGroup<Request> {
  readonly family: string;
  readonly length: number;
  readonly retry: boolean;
  #head: QueuedRequest | undefined;
  #tail: QueuedRequest | undefined;

  constructor({ family, length, retry }: Request) {
    this.family = family;
    this.length = length;
    this.retry = retry;
  }

  get first(): Request | undefined {
    return this.#head as Request | undefined;
  }

  *[Symbol.iterator](): Iterator<Request> {
    for (let request = this.#head; request; request = request.place?.next) yield request as Request;
  }

  insert(request: Request): void {
    let previous = this.#tail;
    while (previous && previous.dueAt > request.dueAt) previous = previous.place!.previous;
    const next = previous ? previous.place!.next : this.#head;
    request.place = { group: this, previous, next };
    if (previous) previous.place!.next = request;
    else this.#head = request;
    if (next) next.place!.previous = request;
    else this.#tail = request;
  }

  unlink(request: Request): void {
    const { previous, next } = request.place!;
    if (previous) previous.place!.next = next;
    else this.#head = next;
    if (next) next.place!.previous = previous;
    else this.#tail = previous;
    request.place = undefined;
  }

  workBehind(dueAt: number): number {
    let work = 0;
    for (let request = this.#tail; request && request.dueAt > dueAt; request = request.place!.previous) {
      work += request.rows * request.length;
    }
    return work;
  }
}
