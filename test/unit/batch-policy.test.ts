import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nextBatch, type WaitingRequest } from '../../src/batching/batch-policy.ts';

const policy = { batchable: true, maxBatchSize: 8 };
const request = (deadlineAt: number, rows = 1, alone = false): WaitingRequest => ({ deadlineAt, rows, alone });

test('nothing waits: nothing is sent', () => {
  expect(nextBatch([], policy, 'idle')).toBeUndefined();
  expect(nextBatch([[]], policy, 'idle')).toBeUndefined();
});

test('the group whose first request is due first goes first', () => {
  const late = [request(20), request(21)];
  const soon = [request(10)];
  expect(nextBatch([late, soon], policy, 'idle')).toEqual({ group: soon, take: 1, reason: 'idle' });
});

test('a request that must run alone takes nobody along and joins nobody', () => {
  expect(nextBatch([[request(1, 1, true), request(2)]], policy, 'slot_freed')).toMatchObject({
    take: 1,
    reason: 'alone',
  });
  expect(nextBatch([[request(1), request(2, 1, true), request(3)]], policy, 'slot_freed')).toMatchObject({ take: 1 });
});

test('any queue: a batch is never empty, never over the limit but for a single request, and cannot take one more', () => {
  const queue = fc.array(
    fc.record({ deadlineAt: fc.nat(100), rows: fc.integer({ min: 0, max: 12 }), alone: fc.boolean() }),
    { minLength: 1 },
  );
  fc.assert(
    fc.property(queue, fc.integer({ min: 1, max: 16 }), (group, maxBatchSize) => {
      const { take } = nextBatch([group], { batchable: true, maxBatchSize }, 'idle')!;
      const rowsOf = (count: number) => group.slice(0, count).reduce((sum, { rows }) => sum + rows, 0);
      expect(take).toBeGreaterThan(0);
      if (take > 1) expect(rowsOf(take)).toBeLessThanOrEqual(maxBatchSize);
      const next = group[take];
      if (next && !group[0]!.alone) expect(next.alone || rowsOf(take + 1) > maxBatchSize).toBe(true);
    }),
  );
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
  const queue: (WaitingRequest & { arrivedAt: number })[] = [];
  let engineFreeAt = 0;
  let next = 0;
  while (next < arrivals.length || queue.length > 0) {
    const now = queue.length > 0 ? engineFreeAt : Math.max(engineFreeAt, arrivals[next]!);
    while (next < arrivals.length && arrivals[next]! <= now) {
      const arrivedAt = arrivals[next++]!;
      queue.push({ arrivedAt, deadlineAt: arrivedAt + 1000, rows: 1, alone: false });
    }
    const decision = nextBatch([queue], policy, now > engineFreeAt ? 'idle' : 'slot_freed');
    if (!decision) continue;
    const batch = queue.splice(0, decision.take);
    const freeAt = Math.max(engineFreeAt, batch[0]!.arrivedAt);
    for (const { arrivedAt } of batch) log.push({ arrivedAt, sentAt: now, freeAt, rows: batch.length });
    engineFreeAt = now + 5 + batch.length;
  }
  return log;
}
