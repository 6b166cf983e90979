// The load test's command line.

import { parseArgs } from 'node:util';
import { SCENARIOS, type Scenario } from './scenarios.ts';

export interface Flags {
  readonly help: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly scenarios: readonly Scenario[];
}

const MOST_ROUNDS = 100;
const MOST_SECONDS = 60;

export const HELP = `Usage: npm run load -- [--rounds 9] [--seconds 1.5] [--only <part of a name>]

Compares Ortlet with a hand-written Fastify server and with a bare loop of session.run(), on this machine, in one go.
Prints a table and writes load/results/latest.json. Ends with 1 when a request failed or answers differ.

  --rounds <n>    Rounds; in each, every scenario runs once on both servers. Default: 9, at most ${MOST_ROUNDS}
  --seconds <n>   Length of one measurement, after a warm-up of a quarter of it. Default: 1.5, at most ${MOST_SECONDS}
  --only <text>   Only scenarios with this text in their name
  --help          This text

Scenarios:
${SCENARIOS.map(({ name }) => `  ${name}`).join('\n')}

Examples:
  npm run load
  npm run load -- --only 'simplenet json' --rounds 20
  npm run load -- --only open --seconds 10`;

/** @throws Error that says what was expected */
export function readFlags(argv: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      rounds: { type: 'string', default: '9' },
      seconds: { type: 'string', default: '1.5' },
      only: { type: 'string', default: '' },
    },
  });
  const scenarios = SCENARIOS.filter(({ name }) => name.includes(values.only));
  if (scenarios.length === 0) throw new Error(`no scenario has '${values.only}' in its name. See --help for the names`);
  const rounds = numberIn('--rounds', values.rounds, 1, MOST_ROUNDS);
  if (!Number.isInteger(rounds)) throw new Error(`--rounds must be a whole number, got '${values.rounds}'`);
  return { help: values.help, rounds, seconds: numberIn('--seconds', values.seconds, 0.2, MOST_SECONDS), scenarios };
}

function numberIn(flag: string, text: string, lowest: number, highest: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= lowest && value <= highest) return value;
  throw new Error(`${flag} must be a number from ${lowest} to ${highest}, got '${text}'`);
}
