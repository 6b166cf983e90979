// docs/reliability.md, from the catalogue and the results.

import { readFileSync, writeFileSync } from 'node:fs';
import { CHAPTERS } from './catalogue.ts';
import type { Fault, Row } from './fault.ts';
import type { Results } from './results.ts';

const FILE = new URL('../../docs/reliability.md', import.meta.url);

export function writeDocument(results: Results): void {
  writeFileSync(FILE, document(results));
}

export function readDocument(): string {
  return readFileSync(FILE, 'utf8');
}

export function document(results: Results): string {
  return `# Reliability

What goes wrong around a model server, what Ortlet does about it, and what shows it. This page is written by
\`npm run chaos -- --write-docs\` from [the results](../test/faults/results/latest.json); a test holds it to them. Faults are done to
a server in a process of its own, on loopback or in network namespaces of their own. \`npm test\` does a short form of each.

${CHAPTERS.map(({ letter, title, rows }) => `## ${letter}. ${title}\n\n${table(rows)}`).join('\n\n')}

## How each was tried

${how(results)}
`;

  function table(rows: readonly Row[]): string {
    const lines = rows.map((row) => `| ${row.id} | ${row.threat} | ${row.behaviour} | ${shown(row)} |`);
    return ['| Id | Threat or fault | What Ortlet does | Seen |', '| --- | --- | --- | --- |', ...lines].join('\n');
  }

  function shown({ faults = [], tests = [], absent }: Row): string {
    const seen = faults.map(({ name }) => figure(name));
    const files = [...new Set(tests.map((test) => test.split(':')[0]!))];
    return [...seen, ...files.map((file) => `\`${file}\``), ...(absent ? [`not shown: ${absent}`] : [])].join('; ');
  }

  function figure(name: string): string {
    const result = results[name];
    if (!result) return `[${name}](#how-each-was-tried): not measured yet`;
    const { cases, failures, worst } = result;
    return `[${name}](#how-each-was-tried): ${cases.toLocaleString('en')} cases, ${failures} failures, ${worst}`;
  }
}

function how(results: Results): string {
  const faults = new Set(CHAPTERS.flatMap(({ rows }) => rows.flatMap((row) => row.faults ?? [])));
  const line = ({ name, kind, promise }: Fault) => {
    const result = results[name];
    const when = result ? `${result.measuredAt.slice(0, 10)}, ${result.seconds} s, ${result.machine}` : 'not yet';
    return `| ${name} | ${promise} | \`npm run ${kind} -- ${name} --seed ${result?.seed ?? 1}\` | ${when} |`;
  };
  return ['| Name | What is done, and what must hold | Command | Measured |', '| --- | --- | --- | --- |']
    .concat([...faults].map(line))
    .join('\n');
}
