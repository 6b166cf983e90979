// One workload under every policy, several times with other random numbers.

import { type Figures, figuresOf } from './figures.ts';
import { POLICIES } from './policies.ts';
import type { PolicyKind } from './policy.ts';
import { simulate } from './simulate.ts';
import type { Workload } from './workload.ts';

/** As good as first: within this share of the best. */
const CLOSE = 0.02;

export interface Standing {
  readonly policy: PolicyKind;
  readonly figures: Figures;
  readonly merit: number;
  /** First, or within 2 % of the first. */
  readonly leads: boolean;
}

export interface Comparison {
  readonly workload: Workload;
  /** In the order of the policies. */
  readonly standings: readonly Standing[];
}

/** @param seeds how many times; the figures are means */
export function compare(workload: Workload, seeds: number): Comparison {
  const results = POLICIES.map((policy) => {
    const outcomes = Array.from({ length: seeds }, (_, seed) => simulate(workload, policy, seed + 1));
    const all = outcomes.map(figuresOf);
    const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const figures = Object.fromEntries(
      Object.keys(all[0]!).map((name) => [name, average(all.map((one) => one[name as keyof Figures]))]),
    ) as unknown as Figures;
    return { policy, figures, merit: average(outcomes.map(workload.merit.of)) };
  });
  const merits = results.map(({ merit }) => merit).filter((merit) => !Number.isNaN(merit));
  const higher = workload.merit.better === 'higher';
  const best = higher ? Math.max(...merits) : Math.min(...merits);
  const leads = (merit: number) => (higher ? merit >= best * (1 - CLOSE) : merit <= best * (1 + CLOSE));
  return { workload, standings: results.map((result) => ({ ...result, leads: leads(result.merit) })) };
}
