// The simulator's command line.

import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readTrace } from './trace.ts';
import type { Workload } from './workload.ts';
import { WORKLOADS } from './workloads.ts';

export interface Flags {
  readonly help: boolean;
  readonly workloads: readonly Workload[];
  readonly seeds: number;
  readonly writeDocs: boolean;
}

const MOST_SEEDS = 20;

export const HELP = `Usage: npm run simulate -- [<trace file> | <part of a workload's name>] [--seeds 3] [--cost 2,0.25] [--write-docs]

Compares Ortlet's scheduler with the rules of others in virtual time: one engine, a run costs a + b·rows milliseconds
(rows × length, where lengths are mixed) with 5 % noise. The same seeds give the same figures on every machine.

  <trace file>    Recorded requests, one JSON object a line, times in milliseconds; all but "at" may be left out:
                  {"at": 12.5, "rows": 1, "length": 64, "deadlineMs": 100, "priority": 1}
  --cost <a,b>    For a trace: milliseconds of a run and of each row, of the longest length there is. Default: 2,0.25
  --seeds <n>     Runs with other random numbers, of which the means are printed. Default: 3, at most ${MOST_SEEDS}
  --write-docs    Write docs/scheduler.md and its pictures too; for all workloads
  --help          This text

Workloads:
${WORKLOADS.map(({ name, about }) => `  ${name.padEnd(20)} ${about}`).join('\n')}

Examples:
  npm run simulate
  npm run simulate -- 'mixed lengths'
  npm run simulate -- requests.ndjson --cost 5,1.5`;

/** @throws Error that says what was expected */
export function readFlags(argv: readonly string[]): Flags {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      seeds: { type: 'string', default: '3' },
      cost: { type: 'string', default: '2,0.25' },
      'write-docs': { type: 'boolean', default: false },
    },
  });
  const seeds = Number(values.seeds);
  if (!Number.isInteger(seeds) || seeds < 1 || seeds > MOST_SEEDS)
    throw new Error(`--seeds must be a whole number from 1 to ${MOST_SEEDS}, got '${values.seeds}'`);
  if (positionals.length > 1) throw new Error(`one trace or workload at a time, got ${positionals.length}. See --help`);
  const [which = ''] = positionals;
  if (which !== '' && values['write-docs']) throw new Error('--write-docs is for all workloads: name none');
  const workloads = existsSync(which)
    ? [readTrace(which, readCost(values.cost))]
    : WORKLOADS.filter(({ name }) => name.includes(which));
  if (workloads.length === 0) throw new Error(`'${which}' is no file and in no workload's name. See --help`);
  return { help: values.help, workloads, seeds, writeDocs: values['write-docs'] };
}

function readCost(text: string): [number, number] {
  const [fixedMs = Number.NaN, rowMs = Number.NaN, ...others] = text.split(',').map(Number);
  if (fixedMs >= 0 && rowMs >= 0 && fixedMs + rowMs > 0 && others.length === 0) return [fixedMs, rowMs];
  throw new Error(`--cost must be two numbers that are not negative, as in 2,0.25, got '${text}'`);
}
