// What a person reads in the terminal.

import type { Comparison, Standing } from './comparison.ts';

export type Column = readonly [heading: string, cell: (standing: Standing) => string];

export const COLUMNS: readonly Column[] = [
  ['rows/s', ({ figures }) => figures.rowsPerSecond.toFixed(0)],
  ['p50 ms', ({ figures }) => significant(figures.p50Ms)],
  ['p99 ms', ({ figures }) => significant(figures.p99Ms)],
  ['missed', ({ figures }) => percent(figures.missed)],
  ['batch', ({ figures }) => figures.meanBatch.toFixed(1)],
  ['padding', ({ figures }) => percent(figures.padding)],
];

export function printComparison({ workload, standings }: Comparison): string {
  const columns: readonly Column[] = [
    ['', ({ policy }) => policy.name],
    [workload.merit.name, ({ merit, leads }) => `${significant(merit)}${leads ? ' *' : '  '}`],
    ...COLUMNS,
  ];
  const lines = [columns.map(([heading]) => heading), ...standings.map((row) => columns.map(([, cell]) => cell(row)))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)));
  const table = lines.map((line) =>
    line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  return [`${workload.name}: ${workload.about}`, ...table].join('\n');
}

/** Three digits, or all of those before the point. */
export function significant(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value === 0) return '0';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}
