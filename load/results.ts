// The machine-readable results, with what is needed to judge them later.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Sender } from './generator.ts';
import type { Outcome } from './rounds.ts';
import type { BareSummary, ScenarioSummary } from './summary.ts';
import { wrkVersion } from './wrk.ts';

export interface Results {
  readonly rounds: number;
  readonly seconds: number;
  readonly threads: number;
  readonly sender: Sender;
  readonly scenarios: readonly ScenarioSummary[];
  readonly bare: readonly BareSummary[];
  readonly outcome: Outcome;
}

/** @returns the path of the file */
export function writeResults(results: Results): string {
  const folder = fileURLToPath(new URL('./results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const path = `${folder}latest.json`;
  writeFileSync(path, `${JSON.stringify({ ...conditions(), ...results }, undefined, 2)}\n`);
  return path;
}

function conditions() {
  const dependencies = ['fastify', 'onnxruntime-node', 'autocannon'].map((name) => [name, versionOf(name)] as const);
  return {
    measuredAt: new Date().toISOString(),
    machine: { processor: cpus()[0]?.model ?? 'unknown', cores: availableParallelism() },
    versions: { node: process.version, ...Object.fromEntries(dependencies), wrk: wrkVersion() },
  };
}

function versionOf(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
