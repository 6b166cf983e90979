import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../load/random.ts';
import { trendOf } from '../faults/overload/trend.ts';

const times = Array.from({ length: 80 }, (_, i) => i);
const TRIALS = 400;

/** A line with noise of which each value keeps a share of the one before. */
function series(slope: number, kept: number, seed: number): number[] {
  const random = seededRandom(seed);
  let left = 0;
  return times.map((time) => {
    left = kept * left + Math.sqrt(1 - kept ** 2) * normal(random);
    return slope * time + left;
  });
}

/** Box and Muller. */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function caught(slope: number, kept: number): number {
  const trends = Array.from({ length: TRIALS }, (_, seed) => trendOf(times, series(slope, kept, seed)));
  return trends.filter(({ low }) => low > 0).length / TRIALS;
}

describe('the trend of a series', () => {
  test('is the slope of its line, without doubt where all samples lie on it', () => {
    const { slope, low, high } = trendOf([0, 1, 2, 3, 4, 5], [1, 3, 5, 7, 9, 11]);
    expect([slope, low, high]).toEqual([2, 2, 2]);
  });

  test('is as Student has it where samples do not depend on each other', () => {
    // Residuals 1, -1, -1, 1, ... have no linear part; their first autocorrelation is negative and not believed.
    const values = [1, -1, -1, 1, 1, -1, -1, 1].map((left, i) => 3 * i + left);
    const { slope, low, high } = trendOf([0, 1, 2, 3, 4, 5, 6, 7], values);
    expect(slope).toBeCloseTo(3);
    // sqrt(8 / 6 / 42), and t at 97.5 % with 6 degrees of freedom.
    expect((high - low) / 2).toBeCloseTo(2.447 * Math.sqrt(8 / 6 / 42), 2);
  });

  test('of a flat series is rarely taken for growth, even where neighbours resemble each other', () => {
    for (const kept of [0, 0.3, 0.6]) expect(caught(0, kept), `${kept}`).toBeLessThan(0.08);
  });

  test('that is strong enough is seen', () => {
    expect(caught(0.05, 0.3)).toBeGreaterThan(0.95);
  });

  test('says nothing where samples are so alike that hardly any are independent', () => {
    const { low, high } = trendOf(
      times,
      times.map((time) => (time - 40) ** 2),
    );
    expect([low, high]).toEqual([-Infinity, Infinity]);
  });
});
