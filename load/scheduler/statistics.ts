// Small sums over samples, and what is called prompt.

import type { Sample } from './sender.ts';

/** An answer that says no is prompt within so much, in milliseconds. */
export const PROMPT_MS = 5;

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function timesOf(
  samples: readonly Sample[],
  status: (status: number) => boolean = (code) => code === 200,
): number[] {
  return samples.filter((sample) => status(sample.status)).map(({ ms }) => ms);
}
