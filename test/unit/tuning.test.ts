// Which engines a model gets when the plan is left open; a run takes a second a row, by its own account.

import { describe, expect, test } from 'vitest';
import { settingsSchema } from '../../src/config/schema.ts';
import type { EnginePool } from '../../src/execution/engine-pool.ts';
import { type EnginePlan, needsOneThread } from '../../src/model/engine-plan.ts';
import { firstPlan, tune } from '../../src/model/tuning.ts';
import { rowsOf } from '../../src/tensor/rows.ts';
import type { NamedTensors } from '../../src/tensor/tensor.ts';
import { rows } from '../fixtures/fake-executor.ts';

class Engines {
  readonly ran: number[] = [];
  closed = false;
  msOfRow = 1000;
  complete: () => Promise<void> = async () => {};
  run: () => void = () => {};

  async execute(inputs: NamedTensors) {
    this.ran.push(rowsOf(inputs));
    this.run();
    return { outputs: inputs, computeMs: 0, engineMs: this.msOfRow * rowsOf(inputs), startedAt: 0 };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

const LIMITS = { affinity: 2, quota: undefined };

/** @param others the engines of every plan but the first */
function tuned(engines: Engines, others: (plan: EnginePlan) => Engines, instances: 'auto' | number = 'auto') {
  const settings = settingsSchema.parse({ instances });
  return tune({
    settings,
    limits: LIMITS,
    profile: undefined,
    budget: { calibrationMs: 150, trialMs: 1 },
    first: firstPlan(settings, { limits: LIMITS, profile: undefined, fileBytes: 1 }),
    executor: engines as unknown as EnginePool,
    sample: rows(1),
    batchable: true,
    start: async (plan) => others(plan) as unknown as EnginePool,
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

describe('threads left open', () => {
  const settings = settingsSchema.parse({});
  const planFor = (changed: object, fileBytes: number, limits = LIMITS) =>
    firstPlan({ ...settings, ...changed }, { limits, profile: undefined, fileBytes });

  test('a small model is begun with one, and keeps it where its runs are short', async () => {
    const engines = new Engines();
    engines.msOfRow = 0.09;
    const { executor, tuning } = await tuned(engines, () => expect.unreachable('no other engines are needed'), 1);
    expect(executor).toBe(engines);
    expect(tuning.threads).toEqual({
      count: 1,
      reason: 'one is enough for runs so short; at most 2: 2 CPUs shared by 1 instance',
    });
  });

  test('it gets all of them where its runs are long, with the curve that it has then', async () => {
    const [engines, better] = [new Engines(), new Engines()];
    better.msOfRow = 500;
    const plans: EnginePlan[] = [];
    const start = (plan: EnginePlan) => {
      plans.push(plan);
      return better;
    };
    const { executor, tuning } = await tuned(engines, start, 1);
    expect(executor).toBe(better);
    expect([engines.closed, better.closed]).toEqual([true, false]);
    expect(plans).toEqual([{ instances: 1, threads: 2 }]);
    expect(tuning).toMatchObject({
      threads: { count: 2, reason: '2 CPUs shared by 1 instance' },
      curve: [{ rows: 1, ms: 500 }],
    });
  });

  test('a large file, a graphics card, a number that is set and a single core leave nothing open', () => {
    const cuda = [
      { name: 'cuda', required: false },
      { name: 'cpu', required: false },
    ];
    expect(planFor({}, 1)).toMatchObject({ threads: { count: 1 }, otherwise: { count: 2 } });
    expect(planFor({}, 17 * 1024 ** 2)).toMatchObject({ threads: { count: 2 } });
    expect(planFor({ executionProviders: cuda }, 1)).toMatchObject({ threads: { count: 2 } });
    expect(planFor({ threads: 2 }, 1)).toMatchObject({ threads: { count: 2, reason: 'set by configuration' } });
    const settled = [planFor({}, 17 * 1024 ** 2), planFor({ threads: 2 }, 1), planFor({ executionProviders: cuda }, 1)];
    for (const plan of [...settled, planFor({}, 1, { affinity: 1, quota: undefined })])
      expect(plan).not.toHaveProperty('otherwise');
  });

  test.each<[string, boolean, { rows: number; ms: number }[]]>([
    ['one that was never run', false, []],
    [
      'a row that takes over a millisecond',
      false,
      [
        { rows: 1, ms: 1.1 },
        { rows: 32, ms: 1.2 },
      ],
    ],
    [
      'rows that cost more than their requests, however many run together',
      false,
      [
        { rows: 1, ms: 0.5 },
        { rows: 4, ms: 1 },
      ],
    ],
    [
      'rows that cost less than their requests when enough run together',
      true,
      [
        { rows: 1, ms: 0.5 },
        { rows: 8, ms: 0.7 },
      ],
    ],
  ])('%s: one is enough, %s', (_, enough, curve) => {
    expect(needsOneThread(curve)).toBe(enough);
  });
});
