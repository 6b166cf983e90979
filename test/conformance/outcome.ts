// What became of one model on one way.

import { NoAnswer } from './client.ts';
import type { DataSet } from './data-set.ts';
import { type Elements, elementsOf, findDifference } from './elements.ts';

/** `refused`: it was not loaded; `failed`: it was, and a run gave no outputs; `differs`: they are not those recorded. */
export type Outcome =
  | { readonly kind: 'matches' }
  | { readonly kind: 'refused' | 'failed' | 'differs'; readonly reason: string };

/** Compares what a run gave with what was recorded. */
export function judge({ outputs }: DataSet, given: ReadonlyMap<string, Elements>): Outcome {
  for (const [name, recorded] of outputs) {
    const answer = given.get(name);
    if (!answer) return { kind: 'failed', reason: `output '${name}' is missing` };
    const difference = findDifference(elementsOf(recorded), answer);
    if (difference) return { kind: 'differs', reason: `output '${name}': ${difference}` };
  }
  return { kind: 'matches' };
}

/** The first of a model's data sets that does not match decides. */
export async function judgeAll<Item>(items: readonly Item[], run: (item: Item) => Promise<Outcome>): Promise<Outcome> {
  for (const item of items) {
    const outcome = await run(item).catch(unreadable);
    if (outcome.kind !== 'matches') return outcome;
  }
  return { kind: 'matches' };
}

/** Recorded data or an answer that cannot be read. */
function unreadable(error: Error): Outcome {
  if (error instanceof NoAnswer) throw error;
  return { kind: 'failed', reason: error.message };
}
