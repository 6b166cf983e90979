// The straight line through a series of samples, and how sure its slope is where neighbours resemble each other.

export interface Trend {
  /** Units of the values per unit of time. */
  readonly slope: number;
  /** Both ends of the 95 % interval of the slope; infinite where the samples say too little. */
  readonly low: number;
  readonly high: number;
}

/** The upper 2.5 % of a normal distribution begin here. */
const NORMAL_QUANTILE = 1.959964;
/** An interval from fewer independent samples would say nothing. */
const LEAST_INDEPENDENT = 5;

/**
 * Least squares. What the line leaves over is taken for a first-order autoregressive process: with a correlation of r
 * between neighbours, n samples count as n (1 - r) / (1 + r) independent ones, in the standard error and in the degrees of
 * freedom (B. D. Santer et al., J. Geophys. Res. 105, 7337, 2000, section 4.1).
 * @param times evenly spaced, as many as values
 */
export function trendOf(times: readonly number[], values: readonly number[]): Trend {
  const meanTime = mean(times);
  const meanValue = mean(values);
  const spread = sum(times.map((time) => (time - meanTime) ** 2));
  const slope = sum(times.map((time, i) => (time - meanTime) * (values[i]! - meanValue))) / spread;
  const rest = values.map((value, i) => value - meanValue - slope * (times[i]! - meanTime));
  const squares = sum(rest.map((left) => left ** 2));
  const independent = times.length * independence(rest, squares);
  if (!(independent >= LEAST_INDEPENDENT)) return { slope, low: -Infinity, high: Infinity };
  const error = Math.sqrt(squares / (independent - 2) / spread);
  const half = studentQuantile(independent - 2) * error;
  return { slope, low: slope - half, high: slope + half };
}

/** The share of samples that counts, at most 1: neighbours that differ more than by chance are not believed. */
function independence(rest: readonly number[], squares: number): number {
  if (squares === 0) return 1;
  const correlation = sum(rest.slice(1).map((left, i) => left * rest[i]!)) / squares;
  return (1 - Math.max(0, correlation)) / (1 + Math.max(0, correlation));
}

/**
 * Student's t at 97.5 %, by its expansion around the normal quantile; within 1 % from 3 degrees of freedom on
 * (M. Abramowitz, I. Stegun, Handbook of Mathematical Functions, 26.7.5).
 */
function studentQuantile(freedom: number): number {
  const z = NORMAL_QUANTILE;
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
  ];
  return terms.reduce((quantile, term, i) => quantile + term / freedom ** (i + 1), z);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
