// From the outcomes of all models to what there is to say about them.

import type { Outcome } from './outcome.ts';
import { kindOf } from './reasons.ts';
import type { ServedOutcome } from './served.ts';
import type { Versions } from './versions.ts';

export interface Result extends ServedOutcome {
  readonly name: string;
  readonly bare: Outcome;
}

export interface Summary {
  readonly counts: readonly (readonly [what: string, models: number])[];
  /** Models that onnxruntime-node runs as recorded, and those of them that match through the server in both forms. */
  readonly expected: number;
  readonly kept: number;
  readonly refusals: readonly Refusal[];
  /** Models with which the server fared otherwise than onnxruntime-node, for better or worse. */
  readonly apart: readonly Result[];
  /** Models of which onnxruntime-node gives other outputs than those recorded. */
  readonly unlike: readonly Result[];
}

interface Refusal {
  readonly reason: string;
  readonly models: number;
  /** Those of them that onnxruntime-node runs. */
  readonly bareRuns: number;
}

export interface Run {
  readonly versions: Versions;
  readonly seconds: number;
  readonly summary: Summary;
}

export function summarize(results: readonly Result[]): Summary {
  const count = (of: (result: Result) => boolean) => results.filter(of).length;
  const expected = count(({ bare }) => bare.kind === 'matches');
  return {
    counts: [
      ['Models tried', results.length],
      ['Run by onnxruntime-node', count(({ bare }) => isAnswered(bare))],
      ['… with the recorded outputs', expected],
      ['Loaded by the server', count(({ json }) => json.kind !== 'refused')],
      ['… with the recorded outputs in JSON', count(({ json }) => json.kind === 'matches')],
      ['… with the recorded outputs in binary', count(({ binary }) => binary.kind === 'matches')],
      ['Refused by the server', count(({ json }) => json.kind === 'refused')],
    ],
    expected,
    kept: expected - shortfalls(results).length,
    refusals: refusalsOf(results),
    apart: results.filter(({ bare, json, binary }) => [json, binary].some((own) => faring(own) !== faring(bare))),
    unlike: results.filter(({ bare }) => bare.kind === 'differs'),
  };
}

/** Models that onnxruntime-node runs as recorded and that do not match through the server in both forms. */
export function shortfalls(results: readonly Result[]): Result[] {
  return results.filter(
    ({ bare, json, binary }) => bare.kind === 'matches' && [json, binary].some(({ kind }) => kind !== 'matches'),
  );
}

function refusalsOf(results: readonly Result[]): Refusal[] {
  const groups = Map.groupBy(
    results.filter(({ json }) => json.kind === 'refused'),
    ({ json }) => kindOf(reasonOf(json)),
  );
  return Array.from(groups, ([reason, members]) => ({
    reason,
    models: members.length,
    bareRuns: members.filter(({ bare }) => isAnswered(bare)).length,
  })).toSorted((a, b) => b.models - a.models);
}

export function reasonOf(outcome: Outcome): string {
  return outcome.kind === 'matches' ? '' : outcome.reason;
}

/** Whether there were outputs, right or wrong. */
function isAnswered({ kind }: Outcome): boolean {
  return kind === 'matches' || kind === 'differs';
}

/** What a caller sees: the recorded outputs, others, or none. */
function faring(outcome: Outcome): string {
  return isAnswered(outcome) ? outcome.kind : 'none';
}
