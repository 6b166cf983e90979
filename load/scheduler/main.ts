// Measures what the scheduler promises, against a running server: argv → models → measurement → table, JSON, exit code.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { peers } from '../peers/peers.ts';
import { batching } from './batching.ts';
import { compute } from './compute.ts';
import { deadlines } from './deadlines.ts';
import { writeHeavyModels } from './heavy-models.ts';
import { lengths } from './lengths.ts';
import { overload } from './overload.ts';
import { type Measure, printReport } from './report.ts';

interface Entry {
  readonly measure: Measure;
  readonly help: string;
  readonly rounds: number;
  /** Where rounds are many, they are shorter. */
  readonly seconds?: number;
}

const SECONDS = 4;
const MEASURES: Record<string, Entry> = {
  compute: { measure: compute, help: 'rows per CPU-second where runs are long, against a bare loop', rounds: 3 },
  batching: { measure: batching, help: 'throughput and p99 with and without batching', rounds: 5, seconds: 2 },
  lengths: { measure: lengths, help: 'mixed lengths against first-in-first-out with full padding', rounds: 3 },
  overload: { measure: overload, help: '1, 2, 5 and 10 times what it can take, with deadlines', rounds: 5 },
  deadlines: { measure: deadlines, help: 'short deadlines, clients that go away, one bad row in a hundred', rounds: 1 },
  peers: { measure: peers, help: 'FastAPI and LitServe with the same model and threads', rounds: 3, seconds: 3 },
};

const HELP = `Usage: npm run load:scheduler -- <measurement> [--rounds n] [--seconds n] [-- settings of ortlet serve]

${Object.entries(MEASURES)
  .map(([name, { help, rounds, seconds = SECONDS }]) => `  ${name.padEnd(10)} ${help} (${rounds} x ${seconds} s)`)
  .join('\n')}

  --rounds <n>            Rounds, beside what warms up
  --seconds <n>           Length of one measurement
  --other-encoder <file>  For batching: one more ONNX model with the inputs input_ids and attention_mask

Prints a table and writes load/results/<measurement>.json. Ends with 1 when a request failed that must not.

Examples:
  npm run load:scheduler -- compute
  npm run load:scheduler -- compute -- --instances 2 --threads 1
  npm run load:scheduler -- batching --rounds 9 --seconds 2`;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const own = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const flags = argv.slice(own.length + 1);
  const { values, positionals } = parseArgs({
    args: [...own],
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'other-encoder': { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const [name = ''] = positionals;
  const chosen = MEASURES[name];
  if (!chosen || values.help) {
    process.stdout.write(`${HELP}\n`);
    return values.help ? 0 : 1;
  }
  const models = writeHeavyModels();
  try {
    const started = performance.now();
    let done = 0;
    const report = await chosen.measure({
      models,
      otherEncoder: values['other-encoder'],
      rounds: Number(values.rounds ?? chosen.rounds),
      seconds: Number(values.seconds ?? chosen.seconds ?? SECONDS),
      flags,
      onProgress: () => {
        if (process.stderr.isTTY)
          process.stderr.write(`\r${++done} measured, ${Math.round((performance.now() - started) / 1000)} s `);
      },
    });
    process.stdout.write(`${printReport(report)}\n`);
    for (const fault of report.faults) process.stderr.write(`load: ${fault}\n`);
    const folder = fileURLToPath(new URL('../results', import.meta.url));
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/${name}.json`, `${JSON.stringify(report, undefined, 2)}\n`);
    return report.faults.length > 0 ? 1 : 0;
  } finally {
    rmSync(models, { recursive: true, force: true });
  }
}
