// Load test: argv → servers → rounds → table, JSON, exit code.

import { progressBar } from '../src/cli/progress.ts';
import { planThreads, readCpuLimits } from '../src/execution/cpu-plan.ts';
import { type Flags, HELP, readFlags } from './flags.ts';
import { writeResults } from './results.ts';
import { runRounds } from './rounds.ts';
import { Stage } from './stage.ts';
import { summarizeBare, summarizeScenarios } from './summary.ts';
import { printSummary } from './table.ts';

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const flags = readFlags(argv);
    if (!flags.help) return await compare(flags);
    process.stdout.write(`${HELP}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`load: ${(error as Error).message}\n`);
    return 1;
  }
}

async function compare({ rounds, seconds, scenarios, sender }: Flags): Promise<number> {
  // As many as onnxruntime takes by itself where nothing limits it; Ortlet finds its own number for each model.
  const { threads, reason } = planThreads(readCpuLimits(), 1);
  const stage = new Stage(threads, sender);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stage.end().finally(() => process.exit(1)));
  }
  try {
    await stage.open();
    process.stdout.write(
      `Rounds: ${rounds}, ${seconds} s each measurement, sent by ${sender}; ${threads} onnxruntime threads for the hand-written server and the bare loop (${reason})\n\n`,
    );
    const outcome = await runRounds(stage, { rounds, seconds, scenarios, onProgress: progressBar('measuring') });
    const summary = { scenarios: summarizeScenarios(scenarios, outcome), bare: summarizeBare(outcome) };
    const path = writeResults({ rounds, seconds, threads, sender, ...summary, outcome });
    process.stdout.write(`${printSummary(summary.scenarios, summary.bare)}\n\nWritten to ${path}\n`);
    for (const fault of outcome.faults) process.stderr.write(`load: ${fault}\n`);
    return outcome.faults.length > 0 ? 1 : 0;
  } finally {
    await stage.end();
  }
}
