import { expect, test } from 'vitest';
import type { ExecutionResult, Executor } from '../../src/execution/executor.ts';
import { calibrate } from '../../src/model/calibration.ts';
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
  return { clock, ran, curve };
}

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

test('a run that takes longer than all the time is made once', async () => {
  const { ran, curve } = setUp(() => 1000);
  expect(await curve(8, 150)).toEqual([{ rows: 1, ms: 1000 }]);
  expect(ran).toEqual([1]);
});
