import { describe, expect, test } from 'vitest';
import type { ExecutionResult, Executor } from '../../src/execution/executor.ts';
import { calibrate } from '../../src/model/calibration.ts';
import { candidatePlans, choosePlan } from '../../src/model/engine-plan.ts';
import { tryPlan } from '../../src/model/plan-trial.ts';
import { rowsOf } from '../../src/tensor/rows.ts';
import { rows } from '../fixtures/fake-executor.ts';

/** An engine in virtual time. */
function setUp(msOf: (rows: number, run: number) => number) {
  const clock = { now: 0 };
  const ran: number[] = [];
  const executor = {
    async execute(inputs): Promise<ExecutionResult> {
      const count = rowsOf(inputs);
      const engineMs = msOf(count, ran.push(count));
      clock.now += engineMs;
      return { outputs: inputs, computeMs: engineMs, engineMs, startedAt: clock.now };
    },
  } as Pick<Executor, 'execute'> as Executor;
  const curve = (maxBatchSize: number, budgetMs: number) =>
    calibrate(executor, rows(1), { maxBatchSize, budgetMs, now: () => clock.now });
  return { executor, clock, ran, curve };
}

/** Plans of engines, tried and chosen. */
describe('plans', () => {
  test('go from one engine with all cores to an engine for each, doubling', () => {
    expect(candidatePlans(1)).toEqual([{ instances: 1, threads: 1 }]);
    expect(candidatePlans(6)).toEqual([
      { instances: 1, threads: 6 },
      { instances: 2, threads: 3 },
      { instances: 4, threads: 1 },
    ]);
  });

  test('the fastest is chosen, but fewer engines where that costs at most 5 %', () => {
    const trials = (...rates: number[]) =>
      rates.map((rowsPerSecond, i) => ({ instances: 2 ** i, threads: 4 / 2 ** i, rowsPerSecond }));
    expect(choosePlan(trials(100, 150, 200)).instances).toBe(4);
    expect(choosePlan(trials(100, 195, 200)).instances).toBe(2);
    expect(choosePlan(trials(200, 100, 100)).instances).toBe(1);
  });

  test('a trial keeps every engine busy and counts rows', async () => {
    const { executor, clock } = setUp((count) => count);
    const options = { instances: 2, threads: 1, sample: rows(1), rows: 4, budgetMs: 40, now: () => clock.now };
    // The engines of virtual time take turns: 4 ms a run, 12 runs begun in 40 ms by the two together.
    const trial = await tryPlan(executor, options);
    expect(trial).toMatchObject({ instances: 2, threads: 1 });
    expect(trial.rowsPerSecond).toBeCloseTo(1000, 5);
  });
});

test('measures each size up to the limit, and the limit itself', async () => {
  const { curve } = setUp((count) => count);
  expect(await curve(12, 1000)).toEqual([1, 2, 4, 8, 12].map((count) => ({ rows: count, ms: count })));
});

test('keeps the least of several runs, because the first is cold and others run beside it', async () => {
  const { curve } = setUp((_, run) => (run === 2 ? 3 : 10));
  expect(await curve(1, 1000)).toEqual([{ rows: 1, ms: 3 }]);
});

test('keeps within its time, and begins no size that would not fit', async () => {
  const { clock, ran, curve } = setUp((count) => 10 * count);
  expect((await curve(64, 150)).map((point) => point.rows)).toEqual([1, 2, 4]);
  expect(clock.now).toBeLessThanOrEqual(150);
  expect(ran).toEqual([1, 1, 1, 2, 2, 2, 4]);
});

test('ends where the model refuses so many rows', async () => {
  const { curve } = setUp((count) => {
    if (count > 4) throw new Error('refused');
    return count;
  });
  expect((await curve(32, 1000)).map((point) => point.rows)).toEqual([1, 2, 4]);
});

test('short runs are repeated, within their share of the time and fifty at most', async () => {
  const long = setUp(() => 1);
  await long.curve(1, 48);
  expect(long.ran).toHaveLength(12);
  const short = setUp(() => 0.01);
  await short.curve(1, 48);
  expect(short.ran).toHaveLength(50);
});

test('a run that takes longer than all the time is made once', async () => {
  const { ran, curve } = setUp(() => 1000);
  expect(await curve(8, 150)).toEqual([{ rows: 1, ms: 1000 }]);
  expect(ran).toEqual([1]);
});
