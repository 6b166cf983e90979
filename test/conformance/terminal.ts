// What a person reads at the end, and what a program can.

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Outcome } from './outcome.ts';
import { type Result, type Run, reasonOf } from './summary.ts';

export function printSummary({ versions, seconds, summary }: Run): string {
  const { counts, expected, kept, refusals, apart } = summary;
  const line = (models: number, what: string) => `${String(models).padStart(6)}  ${what}`;
  const section = (title: string, lines: readonly string[]) => (lines.length > 0 ? [[title, ...lines].join('\n')] : []);
  return [
    ...section(
      `onnxruntime-node ${versions.onnxruntime}, ${versions.data}, Node ${versions.node}; ${seconds} s on ${versions.cores} cores`,
      counts.map(([what, models]) => line(models, what)),
    ),
    ...section(
      'Refused because',
      refusals.map(({ reason, models }) => line(models, reason)),
    ),
    ...section('Other than onnxruntime-node alone', apart.map(printResult)),
    `${kept} of ${expected} models that onnxruntime-node runs as recorded match through the server in JSON and in binary.`,
  ].join('\n\n');
}

/** @returns the path of the file */
export function writeResults(run: Run, results: readonly Result[]): string {
  const folder = fileURLToPath(new URL('./results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const path = `${folder}latest.json`;
  writeFileSync(path, `${JSON.stringify({ measuredAt: new Date().toISOString(), ...run, results }, undefined, 2)}\n`);
  return path;
}

function printResult({ name, bare, json, binary }: Result): string {
  return [
    `  ${name}`,
    `    alone   ${printOutcome(bare)}`,
    `    JSON    ${printOutcome(json)}`,
    `    binary  ${printOutcome(binary)}`,
  ].join('\n');
}

export function printOutcome(outcome: Outcome): string {
  return [outcome.kind, reasonOf(outcome)].filter(Boolean).join(': ');
}
