// The rules of Triton's dynamic batcher: strict levels of priority, a walk from the queue's head that ends at another
// shape, a delay that the oldest request waits even for an idle engine, preferred sizes.

import type { Decision, Host, PolicyKind, SimulatedModel, SimulatedPolicy, SimulatedRequest } from './policy.ts';

export interface TritonSettings {
  readonly delayMs: number;
  readonly preferredSizes?: readonly number[];
}

export function triton(name: string, settings: TritonSettings): PolicyKind {
  const { delayMs, preferredSizes = [] } = settings;
  const sizes = preferredSizes.length > 0 ? `sizes ${preferredSizes.join(', ')} preferred` : 'no preferred sizes';
  return {
    name,
    rule: `Triton's dynamic batcher, \`max_queue_delay_microseconds: ${delayMs * 1000}\`, ${sizes}, levels of priority, queue timeouts that reject.`,
    create: ({ models, now }: Host) => models.map((model) => new TritonPolicy(model, settings, now)),
  };
}

class TritonPolicy implements SimulatedPolicy {
  readonly #model: SimulatedModel;
  readonly #settings: TritonSettings;
  readonly #now: () => number;
  #queue: SimulatedRequest[] = [];

  constructor(model: SimulatedModel, settings: TritonSettings, now: () => number) {
    this.#model = model;
    this.#settings = settings;
    this.#now = now;
  }

  arrived(request: SimulatedRequest): boolean {
    let place = this.#queue.length;
    while (place > 0 && this.#queue[place - 1]!.priority > request.priority) place--;
    this.#queue.splice(place, 0, request);
    return true;
  }

  next(drop: (request: SimulatedRequest) => void): Decision | undefined {
    const now = this.#now();
    for (const request of this.#queue) if (request.deadlineAt <= now) drop(request);
    this.#queue = this.#queue.filter((request) => request.deadlineAt > now);
    const [first] = this.#queue;
    if (!first) return undefined;
    const { delayMs, preferredSizes = [] } = this.#settings;
    let [rows, taken, preferred] = [0, 0, 0];
    for (const request of this.#queue) {
      if (taken > 0 && rows + request.rows > this.#model.maxBatchSize) break;
      if (request.shape !== first.shape || request.length !== first.length) break;
      rows += request.rows;
      taken++;
      if (preferredSizes.includes(rows)) preferred = taken;
    }
    const oldest = Math.min(...this.#queue.slice(0, taken).map(({ at }) => at));
    const inTime = now < oldest + delayMs;
    if (preferred > 0 && inTime) return this.#take(preferred);
    const closed = taken < this.#queue.length || rows >= this.#model.maxBatchSize;
    if (closed || !inTime) return this.#take(taken);
    return { waitUntil: Math.min(oldest + delayMs, ...this.#queue.map(({ deadlineAt }) => deadlineAt)) };
  }

  ended(requests: readonly SimulatedRequest[]): readonly SimulatedRequest[] {
    return requests;
  }

  #take(count: number): Decision {
    return { requests: this.#queue.splice(0, count) };
  }
}
