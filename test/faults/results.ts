// What was measured last of every fault, kept beside the code, so that a part can be measured again by itself.

import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { Fault, Outcome, Trial } from './fault.ts';

export interface Result extends Outcome {
  readonly seed: number;
  /** ISO 8601, UTC. */
  readonly measuredAt: string;
  readonly seconds: number;
  /** What it ran on. */
  readonly machine: string;
}

export type Results = Readonly<Record<string, Result>>;

const FILE = new URL('./results/latest.json', import.meta.url);

export function readResults(): Results {
  return JSON.parse(readFileSync(FILE, 'utf8'));
}

/** Keeps those of the other faults. @param known the names that there are: others are dropped */
export function addResults(added: Results, known: readonly string[]): Results {
  const all: Results = { ...readResults(), ...added };
  const results = Object.fromEntries(known.flatMap((name) => (all[name] ? [[name, all[name]] as const] : [])));
  writeFileSync(FILE, `${JSON.stringify(results, undefined, 2)}\n`);
  return results;
}

/** Runs a fault; one that breaks has failed. */
export async function measure(fault: Fault, trial: Trial): Promise<Result> {
  const started = performance.now();
  const outcome = await fault
    .run(trial)
    .catch((error: Error): Outcome => ({ cases: 1, failures: 1, worst: 'the trial broke', examples: [error.message] }));
  return {
    ...outcome,
    seed: trial.seed,
    measuredAt: new Date().toISOString(),
    seconds: Math.round((performance.now() - started) / 100) / 10,
    machine: `${cpus().length} cores, Node ${process.versions.node}, ${process.platform}`,
  };
}
