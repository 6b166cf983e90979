// docs/scheduler.md and its picture: figures are filled in between two marks, the text around them is written by hand.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Comparison, Standing } from './comparison.ts';
import { plot } from './plot.ts';
import { POLICIES } from './policies.ts';
import { COLUMNS, significant } from './report.ts';

const DOCS = new URL('../../docs/', import.meta.url);
const [BEGIN, END] = ['<!-- simulated -->', '<!-- /simulated -->'];

/** @returns the document's path in the repository */
export function writeDocument(comparisons: readonly Comparison[], seeds: number): string {
  const page = new URL('scheduler.md', DOCS);
  const text = readFileSync(page, 'utf8');
  const [before, after] = [text.split(BEGIN)[0]!, text.split(END)[1]];
  if (after === undefined) throw new Error(`docs/scheduler.md must hold ${BEGIN} and ${END}`);
  mkdirSync(new URL('pictures/', DOCS), { recursive: true });
  writeFileSync(new URL('pictures/scheduler.svg', DOCS), plot(comparisons));
  writeFileSync(page, `${before}${BEGIN}\n\n${render(comparisons, seeds)}\n\n${END}${after}`);
  return 'docs/scheduler.md';
}

function render(comparisons: readonly Comparison[], seeds: number): string {
  const ahead = comparisons.filter(({ standings }) => standings[0]!.leads);
  return `**Ortlet is first or within 2 % of the first on ${ahead.length} of ${comparisons.length} workloads.** Means of ${seeds} runs with other random numbers;
bold: first or within 2 % of the first.

${table(
  ['Workload', 'What counts', ...POLICIES.map(({ name }) => name)],
  comparisons.map(({ workload, standings }) => [workload.name, workload.merit.name, ...standings.map(cell)]),
)}

![The figure that counts, for each workload and policy](pictures/scheduler.svg)

### The policies

${table(
  ['Name', 'Rule and settings'],
  POLICIES.map(({ name, rule }) => [name, rule]),
)}

### Each workload

\`missed\` counts requests with a deadline that got no answer by then: late, refused or dropped; \`rows/s\` leaves them out. \`batch\` is requests a run.

${comparisons.map(section).join('\n\n')}`;
}

function cell({ merit, leads }: Standing): string {
  return leads ? `**${significant(merit)}**` : significant(merit);
}

function section({ workload, standings }: Comparison): string {
  return `#### ${workload.name}

${workload.about}.

${table(
  ['Policy', workload.merit.name, ...COLUMNS.map(([heading]) => heading)],
  standings.map((standing) => [standing.policy.name, cell(standing), ...COLUMNS.map(([, print]) => print(standing))]),
)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
