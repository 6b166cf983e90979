// The rules of Text Embeddings Inference: first in, first out, a budget of tokens that counts the longest request for
// each, one batch formed ahead of the running one, and so many requests inside at most.

import type { Decision, Host, PolicyKind, SimulatedModel, SimulatedPolicy, SimulatedRequest } from './policy.ts';

const MAX_BATCH_TOKENS = 16_384;
const MAX_CONCURRENT_REQUESTS = 512;

export const TEXT_EMBEDDINGS_INFERENCE: PolicyKind = {
  name: 'TEI',
  rule: `Text Embeddings Inference, ${MAX_BATCH_TOKENS} tokens a batch with padding, ${MAX_CONCURRENT_REQUESTS} requests inside (its defaults), one batch formed ahead.`,
  create: ({ models }: Host) => models.map((model) => new TextEmbeddingsPolicy(model)),
};

class TextEmbeddingsPolicy implements SimulatedPolicy {
  readonly #model: SimulatedModel;
  #queue: SimulatedRequest[] = [];
  #ahead: SimulatedRequest[] = [];
  #running = 0;

  constructor(model: SimulatedModel) {
    this.#model = model;
  }

  arrived(request: SimulatedRequest): boolean {
    if (this.#queue.length + this.#ahead.length + this.#running >= MAX_CONCURRENT_REQUESTS) return false;
    this.#queue.push(request);
    // The engine works: the next batch is formed from what there is, and does not grow any more.
    if (this.#running > 0 && this.#ahead.length === 0) this.#ahead = this.#form();
    return true;
  }

  next(): Decision | undefined {
    const requests = this.#ahead.length > 0 ? this.#ahead : this.#form();
    if (requests.length === 0) return undefined;
    this.#running = requests.length;
    this.#ahead = this.#form();
    return { requests };
  }

  ended(requests: readonly SimulatedRequest[]): readonly SimulatedRequest[] {
    this.#running = 0;
    return requests;
  }

  #form(): SimulatedRequest[] {
    let [taken, rows, longest] = [0, 0, 0];
    for (const request of this.#queue) {
      const length = Math.max(longest, request.length);
      const tooMany =
        rows + request.rows > this.#model.maxBatchSize || (rows + request.rows) * length > MAX_BATCH_TOKENS;
      if (taken > 0 && (tooMany || request.shape !== this.#queue[0]!.shape)) break;
      rows += request.rows;
      longest = length;
      taken++;
    }
    return this.#queue.splice(0, taken);
  }
}
