// The load test's command line.

import { parseArgs } from 'node:util';
import type { Sender } from './generator.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';
import { wrkVersion } from './wrk.ts';

export interface Flags {
  readonly help: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly scenarios: readonly Scenario[];
  readonly sender: Sender;
}

const MOST_ROUNDS = 100;
const MOST_SECONDS = 60;

export const HELP = `Usage: npm run load -- [--rounds 9] [--seconds 1] [--only <part of a name>] [--with wrk|autocannon]

Compares Ortlet with a hand-written Fastify server and with a bare loop of session.run(), on this machine, in one go.
Prints a table and writes load/results/latest.json. Ends with 1 when a request failed or answers differ.

  --rounds <n>    Rounds; in each, every scenario runs once on both servers. Default: 9, at most ${MOST_ROUNDS}
  --seconds <n>   Length of one measurement, after a warm-up of as much, a second at most. Default: 1, at most ${MOST_SECONDS}
  --only <text>   Only scenarios with this text in their name
  --with <name>   What sends the requests of closed loops. Default: wrk where it is installed (apt-get install wrk), which
                  leaves the servers more of the machine and measures whole seconds; autocannon otherwise
  --help          This text

Scenarios:
${SCENARIOS.map(({ name }) => `  ${name}`).join('\n')}

Examples:
  npm run load
  npm run load -- --only 'simplenet json' --rounds 20
  npm run load -- --only open --seconds 10
  npm run load -- --with autocannon`;

/** @throws Error that says what was expected */
export function readFlags(argv: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      rounds: { type: 'string', default: '9' },
      seconds: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      with: { type: 'string' },
    },
  });
  const scenarios = SCENARIOS.filter(({ name }) => name.includes(values.only));
  if (scenarios.length === 0) throw new Error(`no scenario has '${values.only}' in its name. See --help for the names`);
  const rounds = numberIn('--rounds', values.rounds, 1, MOST_ROUNDS);
  if (!Number.isInteger(rounds)) throw new Error(`--rounds must be a whole number, got '${values.rounds}'`);
  const sender = senderOf(values.with);
  const seconds = numberIn('--seconds', values.seconds, sender === 'wrk' ? 1 : 0.2, MOST_SECONDS);
  if (sender === 'wrk' && !Number.isInteger(seconds)) throw new Error('wrk measures whole seconds: --seconds 1, 2, …');
  return { help: values.help, rounds, seconds, scenarios, sender };
}

function senderOf(name: string | undefined): Sender {
  const installed = wrkVersion() !== undefined;
  if (name === undefined) return installed ? 'wrk' : 'autocannon';
  if (name === 'wrk' && !installed) throw new Error('wrk is not installed: apt-get install wrk, or --with autocannon');
  if (name === 'wrk' || name === 'autocannon') return name;
  throw new Error(`--with must be wrk or autocannon, got '${name}'`);
}

function numberIn(flag: string, text: string, lowest: number, highest: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= lowest && value <= highest) return value;
  throw new Error(`${flag} must be a number from ${lowest} to ${highest}, got '${text}'`);
}
