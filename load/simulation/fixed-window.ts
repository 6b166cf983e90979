// The rule of Ray Serve's @serve.batch and of mosec: an engine takes the first request, then waits until its batch is full
// or the window has passed. Lengths are padded to the longest, as their users do.

import type { Decision, Host, PolicyKind, SimulatedModel, SimulatedPolicy, SimulatedRequest } from './policy.ts';

export function fixedWindow(windowMs: number): PolicyKind {
  return {
    name: `window ${windowMs} ms`,
    rule: `Ray Serve and mosec: a window of ${windowMs} ms from the first request, or until the batch is full.`,
    create: ({ models, now }: Host) => models.map((model) => new FixedWindowPolicy(model, windowMs, now)),
  };
}

class FixedWindowPolicy implements SimulatedPolicy {
  readonly #model: SimulatedModel;
  readonly #windowMs: number;
  readonly #now: () => number;
  #queue: SimulatedRequest[] = [];
  #since: number | undefined;

  constructor(model: SimulatedModel, windowMs: number, now: () => number) {
    this.#model = model;
    this.#windowMs = windowMs;
    this.#now = now;
  }

  arrived(request: SimulatedRequest): boolean {
    return this.#queue.push(request) > 0;
  }

  next(): Decision | undefined {
    const [first] = this.#queue;
    if (!first) return undefined;
    this.#since ??= this.#now();
    const fitting: SimulatedRequest[] = [];
    let rows = 0;
    for (const request of this.#queue) {
      if (request.shape !== first.shape) continue;
      if (fitting.length > 0 && rows + request.rows > this.#model.maxBatchSize) break;
      fitting.push(request);
      rows += request.rows;
    }
    const until = this.#since + this.#windowMs;
    if (rows < this.#model.maxBatchSize && this.#now() < until) return { waitUntil: until };
    this.#since = undefined;
    const chosen = new Set(fitting);
    this.#queue = this.#queue.filter((request) => !chosen.has(request));
    return { requests: fitting };
  }

  ended(requests: readonly SimulatedRequest[]): readonly SimulatedRequest[] {
    return requests;
  }
}
