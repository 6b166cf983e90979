// What a person reads at the end.

import type { BareSummary, CompetitorSummary, ScenarioSummary } from './summary.ts';

type Column = readonly [heading: string, cell: (row: ScenarioSummary) => string];

const closedColumns: readonly Column[] = [
  ['closed loop', ({ scenario }) => scenario],
  ['hand req/s', ({ handWritten }) => handWritten.requestsPerSecond.toFixed(0)],
  ['Ortlet req/s', ({ ortlet }) => ortlet.requestsPerSecond.toFixed(0)],
  ['Ortlet/hand', ({ ratio }) => ratio.median.toFixed(2)],
  ['in rounds', ({ ratio }) => `${ratio.lowest.toFixed(2)}-${ratio.highest.toFixed(2)}`],
  ['Ortlet/bare', ({ ofBare }) => `${Number((ofBare * 100).toPrecision(2))} %`],
];

const openColumns: readonly Column[] = [
  ['open loop', ({ scenario }) => scenario],
  ['rate req/s', ({ rate }) => String(rate)],
  ['unanswered', ({ handWritten, ortlet }) => `${handWritten.unanswered} ${ortlet.unanswered}`],
];

const latencyAndCpu: readonly Column[] = [
  ['hand p50', ({ handWritten }) => handWritten.p50Ms.toFixed(3)],
  ['Ortlet p50', ({ ortlet }) => ortlet.p50Ms.toFixed(3)],
  ['hand p99', ({ handWritten }) => handWritten.p99Ms.toFixed(2)],
  ['Ortlet p99', ({ ortlet }) => ortlet.p99Ms.toFixed(2)],
  ['hand CPU', ({ handWritten }) => cpu(handWritten)],
  ['Ortlet CPU', ({ ortlet }) => cpu(ortlet)],
];

const NOTES = `p50 and p99 in milliseconds. In a closed loop a slow server gets fewer requests, which flatters its p99: read
latency under load in the open loop, where requests come at half of what the hand-written server can take.
CPU in percent of one core, server with its engines + generator. Ortlet/hand is the median of the rounds' ratios.
Ortlet/bare: rows a second by those of the bare loop, which has the whole machine to itself.`;

export function printSummary(scenarios: readonly ScenarioSummary[], bare: readonly BareSummary[]): string {
  const closed = scenarios.filter(({ arrival }) => arrival.kind === 'closed');
  const open = scenarios.filter(({ arrival }) => arrival.kind === 'open');
  const loops = bare.map(
    ({ model, rowsPerSecond, batchSizes }) =>
      `bare loop  ${model}  ${rowsPerSecond.toFixed(0)} rows/s at batches of ${batchSizes.join(', ')}`,
  );
  const tables = [printTable([...closedColumns, ...latencyAndCpu], closed)];
  if (open.length > 0) tables.push(printTable([...openColumns, ...latencyAndCpu], open));
  return [...tables, loops.join('\n'), NOTES].filter((part) => part !== '').join('\n\n');
}

function printTable(columns: readonly Column[], rows: readonly ScenarioSummary[]): string {
  if (rows.length === 0) return '';
  const lines = [columns.map(([heading]) => heading), ...rows.map((row) => columns.map(([, cell]) => cell(row)))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  return lines
    .map((line) => line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n');
}

function cpu({ serverCpu, generatorCpu }: CompetitorSummary): string {
  const percent = (share: number | undefined) => (share === undefined ? '?' : (share * 100).toFixed(0));
  return `${percent(serverCpu)}+${percent(generatorCpu)}`;
}
