// Does what goes wrong to running servers: argv → faults → one line each, JSON, docs/reliability.md, exit code.

import { parseArgs } from 'node:util';
import { CHAPTERS, FAULTS } from './catalogue.ts';
import { writeDocument } from './document.ts';
import type { Fault } from './fault.ts';
import { progressLine } from './progress-line.ts';
import { addResults, measure, type Result } from './results.ts';

const [kind = '', ...argv] = process.argv.slice(2);
const offered = FAULTS.filter((fault) => fault.kind === kind);

const HELP = `Usage: npm run ${kind} -- [name ...] [--seed n] [--short] [--write-docs]

Starts servers on loopback, does to them what goes wrong, and prints for each fault its ids, how often it was tried, how
often something that must hold did not, and the worst figure. Ends with 1 when anything did not hold.

  --seed <n>     What is drawn at random is drawn from this number. Default: 1
  --short        The short form that npm test runs: seconds for each, and no results are kept
  --write-docs   Writes docs/reliability.md from the results of this run and of earlier ones
  --help         This text

${offered.map(({ name, promise }) => `  ${name.padEnd(22)} ${promise}`).join('\n')}

Examples:
  npm run ${kind}
  npm run ${kind} -- ${offered[0]?.name} --seed 7
  npm run ${kind} -- --write-docs`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: '1' },
      short: { type: 'boolean', default: false },
      'write-docs': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const unknown = positionals.find((name) => !offered.some((fault) => fault.name === name));
  const seed = Number(values.seed);
  if (unknown !== undefined || !Number.isSafeInteger(seed) || seed < 0) {
    const wrong = unknown === undefined ? `--seed must be a whole number, got '${values.seed}'` : `no '${unknown}'`;
    process.stderr.write(`${wrong}. See --help for what there is.\n`);
    return 1;
  }
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const chosen = offered.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const results: Record<string, Result> = {};
  for (const fault of chosen) {
    const why = fault.unavailable?.();
    if (why !== undefined) process.stdout.write(`${labelOf(fault)} not tried: ${why}\n`);
    else results[fault.name] = await tell(fault, values.short ? 'short' : 'full', seed);
  }
  const names = FAULTS.map(({ name }) => name);
  const all = values.short ? results : addResults(results, names);
  if (values['write-docs'] && !values.short) writeDocument(all);
  return Object.values(results).some(({ failures }) => failures > 0) ? 1 : 0;
}

async function tell(fault: Fault, length: 'short' | 'full', seed: number): Promise<Result> {
  const line = progressLine(labelOf(fault));
  const result = await measure(fault, { length, seed, progress: line.progress });
  line.end();
  const { cases, failures, worst, examples = [], seconds } = result;
  process.stdout.write(`${labelOf(fault)} ${cases} cases, ${failures} failures, ${worst} (${seconds} s)\n`);
  for (const example of examples) process.stdout.write(`    ${example}\n`);
  return result;
}

function labelOf(fault: Fault): string {
  const rows = CHAPTERS.flatMap((chapter) => chapter.rows).filter(({ faults }) => faults?.includes(fault));
  return `${rows.map(({ id }) => id).join(' ')} ${fault.name}:`;
}
