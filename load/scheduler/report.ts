// What a measurement gives: a table, and what went wrong.

interface MeasureOptions {
  /** Folder with the heavy models. */
  readonly models: string;
  /** Path of one more encoder with the inputs `input_ids` and `attention_mask`. */
  readonly otherEncoder: string | undefined;
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
  /** Settings for Ortlet, as `ortlet serve` takes them. */
  readonly flags: readonly string[];
  /** Called after each round. */
  readonly onProgress: () => void;
}

export interface Report {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  /** In sentences; any of them makes the run fail. */
  readonly faults: readonly string[];
}

export type Measure = (options: MeasureOptions) => Promise<Report>;

export function printReport({ title, header, rows }: Report): string {
  const cells = [header, ...rows.map((row) => row.map(printCell))];
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) => row.map((cell, column) => cell.padStart(widths[column]!)).join('  '));
  return [title, ...lines].join('\n');
}

function printCell(value: string | number): string {
  if (typeof value === 'string' || Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
