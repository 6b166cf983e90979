// Which engines a model gets when the plan is left open; a run takes a second a row, by its own account.

import { expect, test } from 'vitest';
import { settingsSchema } from '../../src/config/schema.ts';
import type { EnginePool } from '../../src/execution/engine-pool.ts';
import { tune } from '../../src/model/tuning.ts';
import { rowsOf } from '../../src/tensor/rows.ts';
import type { NamedTensors } from '../../src/tensor/tensor.ts';
import { rows } from '../fixtures/fake-executor.ts';

class Engines {
  readonly ran: number[] = [];
  closed = false;
  complete: () => Promise<void> = async () => {};
  run: () => void = () => {};

  async execute(inputs: NamedTensors) {
    this.ran.push(rowsOf(inputs));
    this.run();
    return { outputs: inputs, computeMs: 0, engineMs: 1000 * rowsOf(inputs), startedAt: 0 };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** @param others the engines of every plan but the first */
function tuned(first: Engines, others: () => Engines) {
  return tune({
    settings: settingsSchema.parse({ instances: 'auto' }),
    limits: { affinity: 2, quota: undefined },
    profile: undefined,
    budget: { calibrationMs: 150, trialMs: 1 },
    executor: first as unknown as EnginePool,
    sample: rows(1),
    batchable: true,
    start: async () => others() as unknown as EnginePool,
  });
}

test('a model whose single rows use up the time is tried with single rows, not with the largest batch', async () => {
  const [first, other] = [new Engines(), new Engines()];
  const { tuning } = await tuned(first, () => other);
  expect(tuning).toMatchObject({ curve: [{ rows: 1, ms: 1000 }], knee: 1 });
  expect(new Set([...first.ran, ...other.ran])).toEqual(new Set([1]));
});

test.each<[string, (other: Engines) => void]>([
  [
    'do not all come up',
    (other) => {
      other.complete = () => Promise.reject(new Error('not all of its engines came up'));
    },
  ],
  [
    'die in the trial',
    (other) => {
      other.run = () => {
        throw new Error('the engine died');
      };
    },
  ],
])('a plan whose engines %s is passed over, and they are closed', async (_, spoil) => {
  const [first, other] = [new Engines(), new Engines()];
  spoil(other);
  const { executor, tuning } = await tuned(first, () => other);
  expect(executor).toBe(first);
  expect(tuning.trials.map(({ instances }) => instances)).toEqual([1]);
  expect([first.closed, other.closed]).toEqual([false, true]);
});

test('a plan whose model cannot be loaded again is passed over', async () => {
  const { tuning } = await tuned(new Engines(), () => {
    throw new Error('out of memory');
  });
  expect(tuning.instances).toBe(1);
});
