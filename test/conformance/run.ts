// ONNX's recorded inputs and outputs, through bare onnxruntime-node and through a running server: `npm run conformance`.
// argv → cases → bare outcomes → served outcomes → report, JSON, exit code.

import { progressBar } from '../../src/cli/progress.ts';
import { runBare } from './bare.ts';
import { findCases } from './cases.ts';
import { writeDocument } from './document.ts';
import { type Flags, HELP, readFlags } from './flags.ts';
import { runServed } from './served.ts';
import { shortfalls, summarize } from './summary.ts';
import { printSummary, writeResults } from './terminal.ts';
import { readVersions } from './versions.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const flags = readFlags(argv);
    if (!flags.help) return await conform(flags);
    process.stdout.write(`${HELP}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`conformance: ${(error as Error).message}\n`);
    return 1;
  }
}

async function conform({ data, only, writeDocs }: Flags): Promise<number> {
  const startedAt = performance.now();
  const cases = findCases(data, only);
  const bare = await runBare(cases, progressBar('bare onnxruntime-node'));
  const served = await runServed(cases, progressBar('through the server'));
  const results = cases.map(({ name }, i) => ({ name, bare: bare[i]!, ...served[i]! }));

  const seconds = Math.round((performance.now() - startedAt) / 1000);
  const run = { versions: readVersions(data), seconds, summary: summarize(results) };
  const path = writeResults(run, results);
  process.stdout.write(`${printSummary(run)}\n\nWritten to ${path}\n`);
  if (writeDocs) process.stdout.write(`Written to ${writeDocument(run)}\n`);
  return shortfalls(results).length > 0 ? 1 : 0;
}
