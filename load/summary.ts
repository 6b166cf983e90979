// From the measurements of all rounds to one row for each scenario: medians, and medians of the ratios inside a round.

import type { BareMeasurement, Measurement, Outcome } from './rounds.ts';
import type { Scenario } from './scenarios.ts';
import type { Competitor } from './stage.ts';

export interface CompetitorSummary {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly unanswered: number;
  readonly serverCpu: number | undefined;
  readonly generatorCpu: number;
}

export interface ScenarioSummary {
  readonly scenario: string;
  readonly model: string;
  readonly arrival: Scenario['arrival'];
  readonly rate: number | undefined;
  readonly handWritten: CompetitorSummary;
  readonly ortlet: CompetitorSummary;
  /** Ortlet's throughput by the hand-written server's; the smallest, the median and the largest of the rounds. */
  readonly ratio: { readonly lowest: number; readonly median: number; readonly highest: number };
  /** Ortlet's rows a second by the bare loop's. */
  readonly ofBare: number;
}

export interface BareSummary {
  readonly model: string;
  readonly rowsPerSecond: number;
  readonly batchSizes: readonly number[];
}

export function summarizeScenarios(scenarios: readonly Scenario[], { measurements, bare }: Outcome): ScenarioSummary[] {
  return scenarios.map(({ name, model, arrival }) => {
    const own = measurements.filter(({ scenario }) => scenario === name);
    const ofModel = bare.filter((measurement) => measurement.model === model.name);
    const handWritten = own.filter(isOf('handWritten'));
    const ortlet = own.filter(isOf('ortlet'));
    const ratios = ortlet.map(({ requestsPerSecond, round }) => requestsPerSecond / speedIn(round, handWritten));
    const shares = ortlet.map(({ requestsPerSecond, round }) => requestsPerSecond / rowsIn(round, ofModel));
    return {
      scenario: name,
      model: model.name,
      arrival,
      rate: own[0]?.rate,
      handWritten: summarize(handWritten),
      ortlet: summarize(ortlet),
      ratio: { lowest: Math.min(...ratios), median: median(ratios), highest: Math.max(...ratios) },
      ofBare: median(shares),
    };
  });
}

export function summarizeBare({ bare }: Outcome): BareSummary[] {
  return [...new Set(bare.map(({ model }) => model))].map((model) => {
    const own = bare.filter((measurement) => measurement.model === model);
    const rowsPerSecond = median(own.map((measurement) => measurement.rowsPerSecond));
    return { model, rowsPerSecond, batchSizes: own.map(({ batchSize }) => batchSize) };
  });
}

function summarize(measurements: readonly Measurement[]): CompetitorSummary {
  const of = (pick: (measurement: Measurement) => number) => median(measurements.map(pick));
  const cpu = measurements.flatMap(({ serverCpu }) => serverCpu ?? []);
  return {
    requestsPerSecond: of(({ requestsPerSecond }) => requestsPerSecond),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    unanswered: of(({ unanswered }) => unanswered),
    serverCpu: cpu.length > 0 ? median(cpu) : undefined,
    generatorCpu: of(({ generatorCpu }) => generatorCpu),
  };
}

function isOf(wanted: Competitor): (measurement: Measurement) => boolean {
  return ({ competitor }) => competitor === wanted;
}

function speedIn(wanted: number, measurements: readonly Measurement[]): number {
  return measurements.find(({ round }) => round === wanted)?.requestsPerSecond ?? Number.NaN;
}

function rowsIn(wanted: number, measurements: readonly BareMeasurement[]): number {
  return measurements.find(({ round }) => round === wanted)?.rowsPerSecond ?? Number.NaN;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
}
