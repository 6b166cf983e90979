import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Arrivals } from '../../src/batching/arrivals.ts';
import { type BatchPolicy, hopeless, nextBatch } from '../../src/batching/batch-policy.ts';
import { CostModel } from '../../src/batching/cost-model.ts';
import type { Occasion, PolicyState, WaitingGroup, WaitingRequest } from '../../src/batching/policy-state.ts';

const policy: BatchPolicy = { batchable: true, maxBatchSize: 8, maxLength: 1 };
const request = (dueAt: number, rows = 1, length = 1): WaitingRequest => ({ dueAt, deadlineAt: dueAt, rows, length });

function group(requests: readonly WaitingRequest[], retry = false): WaitingGroup<WaitingRequest> {
  const [first] = requests;
  return {
    first,
    length: first?.length ?? 1,
    family: 'x',
    retry,
    [Symbol.iterator]: () => requests[Symbol.iterator](),
  };
}

function state(
  groups: readonly WaitingGroup<WaitingRequest>[],
  more: Partial<PolicyState<WaitingRequest>> = {},
): PolicyState<WaitingRequest> {
  return { groups, occasion: 'idle', now: 0, costs: new CostModel(), arrivals: new Arrivals(), ...more };
}

/** The dues of the batch's members, and its reason. */
function sent(
  groups: readonly WaitingGroup<WaitingRequest>[],
  more: Partial<PolicyState<WaitingRequest>> = {},
  limits: BatchPolicy = policy,
) {
  const decision = nextBatch(state(groups, more), limits);
  if (!decision || decision.waitUntil !== undefined) return decision;
  return [decision.requests.map(({ dueAt }) => dueAt), decision.reason];
}

const flat = new CostModel([1, 2, 4, 8].map((rows) => ({ rows, ms: 20 })));
const linear = new CostModel([1, 2, 4, 8].map((rows) => ({ rows, ms: 10 * rows })));

describe('who goes', () => {
  test('nothing waits: nothing is sent', () => {
    expect(sent([])).toBeUndefined();
  });

  test('the group whose first request is due first goes first', () => {
    expect(sent([group([request(20), request(21)]), group([request(10)])])).toEqual([[10], 'idle']);
  });

  test('requests whose run has failed go together, and with nobody else', () => {
    expect(sent([group([request(1), request(2)], true), group([request(3)])])).toEqual([[1, 2], 'retry']);
    expect(sent([group([request(1)]), group([request(2), request(3)], true)])).toEqual([[1], 'idle']);
  });

  test('a model that does not batch gets one at a time', () => {
    expect(sent([group([request(1), request(2)])], {}, { ...policy, batchable: false })).toEqual([[1], 'unbatched']);
  });

  test('any queue: a batch is never empty, never over the limit but for a single request, and cannot take one more', () => {
    const queue = fc.array(fc.record({ due: fc.nat(100), rows: fc.integer({ min: 0, max: 12 }) }), { minLength: 1 });
    fc.assert(
      fc.property(queue, fc.integer({ min: 1, max: 16 }), (items, maxBatchSize) => {
        const requests = items.map(({ due, rows }) => request(due, rows)).toSorted((a, b) => a.dueAt - b.dueAt);
        const decision = nextBatch(state([group(requests)]), { ...policy, maxBatchSize })!;
        if (decision.waitUntil !== undefined) throw new Error('waits without a reason');
        const take = decision.requests.length;
        const rowsOf = (count: number) => requests.slice(0, count).reduce((sum, { rows }) => sum + rows, 0);
        expect(take).toBeGreaterThan(0);
        if (take > 1) expect(rowsOf(take)).toBeLessThanOrEqual(maxBatchSize);
        if (take < requests.length) expect(rowsOf(take + 1)).toBeGreaterThan(maxBatchSize);
      }),
    );
  });
});

describe('how many go', () => {
  const eight = group([1, 2, 3, 4, 5, 6, 7, 8].map((n) => request(1000 + n)));

  test('as many as the limit allows while a larger run costs no more', () => {
    expect(sent([eight], { costs: flat })).toEqual([[1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008], 'full']);
  });

  test('one where a larger run makes no row cheaper', () => {
    expect(sent([eight], { costs: linear })).toEqual([[1001], 'full']);
  });

  test('once in a while twice the learnt limit, so that it can be put right', () => {
    expect(sent([eight], { costs: linear, exploring: true })).toEqual([[1001, 1002], 'full']);
  });

  test('no more than let everybody keep the deadline', () => {
    const costs = new CostModel([1, 2, 4, 8].map((rows) => ({ rows, ms: 10 + rows })));
    const urgent = { ...request(13), deadlineAt: 13 };
    expect(sent([group([urgent, request(20), request(21), request(1000)])], { costs })).toEqual([
      [13, 20, 21],
      'deadline',
    ]);
  });

  test('behind a backlog those who would keep the batch small give way, but not to lower priority', () => {
    const costs = new CostModel([1, 2, 4, 8].map((rows) => ({ rows, ms: 10 + rows })));
    const tight = { ...request(13), deadlineAt: 13 };
    const others = Array.from({ length: 9 }, () => request(25));
    const full = [others.slice(0, 8).map(() => 25), 'full'];
    expect(sent([group([tight, ...others])], { costs, backlog: true })).toEqual(full);
    expect(sent([group([{ ...tight, dueAt: -987 }, ...others])], { costs, backlog: true })).toEqual([
      [-987, 25, 25],
      'deadline',
    ]);
  });

  test('a request that cannot be answered in time is found, unless an engine stands idle anyway', () => {
    const groups = [group([request(15)]), group([request(25)])];
    expect(hopeless(state(groups, { costs: flat, occasion: 'slot_freed' }))).toEqual([request(15)]);
    expect(hopeless(state(groups, { costs: flat, occasion: 'idle' }))).toEqual([]);
  });
});

describe('requests of several lengths', () => {
  const padded = { ...policy, maxLength: 256 };
  const perUnit = (a: number) => new CostModel([8, 64, 512, 2048].map((work) => ({ rows: work, ms: a + work / 64 })));

  test('run together where starting a run costs more than the padding', () => {
    const groups = [group([request(1, 1, 100)]), group([request(2, 1, 104)]), group([request(3, 1, 20)])];
    expect(sent(groups, { costs: perUnit(5), now: -1000 }, padded)).toEqual([[1, 2], 'idle']);
  });

  test('run apart where the padding costs more', () => {
    const groups = [group([request(1, 1, 100)]), group([request(2, 1, 120)])];
    expect(sent(groups, { costs: perUnit(0.1), now: -1000 }, padded)).toEqual([[1], 'idle']);
  });
});

describe('waiting for company', () => {
  /** Every request is followed by another one at once. */
  const crowd = () => {
    const arrivals = new Arrivals();
    for (let i = 0; i < 50; i++) arrivals.arrived(0, 1);
    return arrivals;
  };
  const one = [group([request(1000)])];

  test('never while nothing is known', () => {
    expect(sent(one, { arrivals: crowd() })).toEqual([[1000], 'idle']);
  });

  test('a moment, where more usually follow at once and a larger run costs hardly more', () => {
    expect(sent(one, { arrivals: crowd(), costs: flat })).toEqual({ waitUntil: 1 });
  });

  test('not where a larger run makes no row cheaper', () => {
    expect(sent(one, { arrivals: crowd(), costs: linear })).toEqual([[1000], 'full']);
  });

  test('not where requests come by themselves', () => {
    const arrivals = new Arrivals();
    for (let at = -2000; at <= 0; at += 40) arrivals.arrived(at, 1);
    expect(sent(one, { arrivals, costs: flat })).toEqual([[1000], 'idle']);
  });

  test('not when the moment has passed, and not again and again', () => {
    expect(sent(one, { arrivals: crowd(), costs: flat, now: 2, waitingSince: 0 })).toEqual([[1000], 'waited']);
    const arrivals = crowd();
    arrivals.arrived(4, 1);
    expect(sent(one, { arrivals, costs: flat, now: 4, waitingSince: 0 })).toEqual([[1000], 'waited']);
  });

  test('not where it would cost a deadline', () => {
    expect(sent([group([request(20.5)])], { arrivals: crowd(), costs: flat })).toEqual([[20.5], 'idle']);
  });
});

describe('in virtual time, against an engine that takes 5 ms and 1 ms a row', () => {
  test('at low load every request is sent the moment it comes', () => {
    const log = simulate(Array.from({ length: 50 }, (_, i) => i * 20));
    for (const { arrivedAt, sentAt, rows } of log) expect([sentAt - arrivedAt, rows]).toEqual([0, 1]);
  });

  test('a burst fills the batches by itself and is worked off in order', () => {
    const log = simulate(Array.from({ length: 40 }, () => 0));
    expect(new Set(log.map(({ rows }) => rows))).toEqual(new Set([8]));
    expect(log.map(({ sentAt }) => sentAt)).toEqual(log.map(({ sentAt }) => sentAt).toSorted((a, b) => a - b));
  });

  test('the engine never stands idle while somebody waits, and nobody waits while it stands idle', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200), { minLength: 1, maxLength: 80 }), (arrivals) => {
        const log = simulate(arrivals.toSorted((a, b) => a - b));
        expect(log).toHaveLength(arrivals.length);
        for (const { arrivedAt, sentAt, freeAt } of log) expect(sentAt).toBe(Math.max(arrivedAt, freeAt));
      }),
    );
  });
});

/** One engine in virtual time. `freeAt`: when the engine became free for the batch, or that of its first member's arrival. */
function simulate(arrivals: readonly number[]) {
  const log: { arrivedAt: number; sentAt: number; freeAt: number; rows: number }[] = [];
  const queue: WaitingRequest[] = [];
  let engineFreeAt = 0;
  let next = 0;
  while (next < arrivals.length || queue.length > 0) {
    const now = queue.length > 0 ? engineFreeAt : Math.max(engineFreeAt, arrivals[next]!);
    while (next < arrivals.length && arrivals[next]! <= now) queue.push(request(arrivals[next++]! + 1000));
    const occasion: Occasion = now > engineFreeAt ? 'idle' : 'slot_freed';
    const decision = nextBatch(state([group([...queue])], { occasion, now }), policy);
    if (!decision || decision.waitUntil !== undefined) continue;
    const batch = queue.splice(0, decision.requests.length);
    const freeAt = Math.max(engineFreeAt, batch[0]!.dueAt - 1000);
    for (const { dueAt } of batch) log.push({ arrivedAt: dueAt - 1000, sentAt: now, freeAt, rows: batch.length });
    engineFreeAt = now + 5 + batch.length;
  }
  return log;
}
