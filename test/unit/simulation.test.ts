// The simulator of load/simulation: what it promises, and what the policies in it are known for.

import { describe, expect, test } from 'vitest';
import { figuresOf, innocentFailures } from '../../load/simulation/figures.ts';
import { POLICIES } from '../../load/simulation/policies.ts';
import { simulate } from '../../load/simulation/simulate.ts';
import type { Workload } from '../../load/simulation/workload.ts';
import { WORKLOADS } from '../../load/simulation/workloads.ts';

const short = (name: string): Workload => ({ ...WORKLOADS.find((one) => one.name === name)!, seconds: 2 });
const policy = (name: string) => POLICIES.find((one) => one.name === name)!;
const figures = (workload: string, name: string) => figuresOf(simulate(short(workload), policy(name), 1));

describe.each(POLICIES.map((one) => [one.name, one] as const))('%s', (_, kind) => {
  test('has the same outcome for the same seed, and another one for another', () => {
    const workload = short('mixed lengths');
    expect(simulate(workload, kind, 1)).toEqual(simulate(workload, kind, 1));
    expect(simulate(workload, kind, 2)).not.toEqual(simulate(workload, kind, 1));
  });

  test.each(WORKLOADS.map(({ name }) => name))('gives each request one answer: %s', (name) => {
    const { answers } = simulate(short(name), kind, 1);
    const ids = answers.map(({ request }) => request.id).sort((a, b) => a - b);
    expect(ids.length).toBeGreaterThan(0);
    expect(ids).toEqual(ids.map((_, i) => i));
  });
});

test('a fixed window is paid by a request alone, and an idle engine of Ortlet takes it at once', () => {
  expect(figures('low load', 'window 10 ms').p50Ms).toBeGreaterThan(12);
  expect(figures('low load', 'Ortlet').p50Ms).toBeLessThan(2.5);
});

test('Triton ends a batch at another shape, Ortlet does not', () => {
  expect(figures('mixed shapes', 'Triton').meanBatch).toBeLessThan(2);
  expect(figures('mixed shapes', 'Ortlet').meanBatch).toBeGreaterThan(8);
});

test('first in, first out pads most of the work away where lengths are mixed', () => {
  expect(figures('mixed lengths', 'TEI').padding).toBeGreaterThan(0.5);
  expect(figures('mixed lengths', 'Ortlet').padding).toBeLessThan(0.2);
});

test('poison fails its neighbours in Triton, and nobody else in Ortlet', () => {
  expect(innocentFailures(simulate(short('poison'), policy('Triton'), 1))).toBeGreaterThan(0.02);
  expect(innocentFailures(simulate(short('poison'), policy('Ortlet'), 1))).toBe(0);
});

test('under twice the load that can be done, Ortlet answers nearly as many in time as can be done', () => {
  expect(figures('overload, deadlines', 'Ortlet').rowsPerSecond).toBeGreaterThan(0.9 * 3200);
});

test.each(
  WORKLOADS.filter(({ streams }) => streams.every(({ arrival }) => arrival.kind === 'closed')).map((w) => w.name),
)('Ortlet is never slower than no batching: %s', (name) => {
  expect(figures(name, 'Ortlet').rowsPerSecond).toBeGreaterThan(0.97 * figures(name, 'no batching').rowsPerSecond);
});
