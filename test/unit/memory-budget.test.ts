import { expect, test } from 'vitest';
import { judgeMemory, LOOK_EVERY_MS, residentBytesOf } from '../../src/execution/memory-budget.ts';

const BUDGET = 100e6;

test('an engine within its budget, or without one, or whose memory cannot be told, is kept', () => {
  expect(judgeMemory(BUDGET, BUDGET, 0)).toBe('keep');
  expect(judgeMemory(10 * BUDGET, undefined, 0)).toBe('keep');
  expect(judgeMemory(undefined, BUDGET, 0)).toBe('keep');
});

test('one over its budget is replaced, idle or in a run', () => {
  expect(judgeMemory(BUDGET + 1, BUDGET, 0)).toBe('replace');
  expect(judgeMemory(1.4 * BUDGET, BUDGET, 60_000)).toBe('replace');
});

test('one that is far over it is killed, but only in a run that goes on from one look to the next', () => {
  expect(judgeMemory(2 * BUDGET, BUDGET, 0)).toBe('replace');
  expect(judgeMemory(2 * BUDGET, BUDGET, LOOK_EVERY_MS - 1)).toBe('replace');
  expect(judgeMemory(2 * BUDGET, BUDGET, LOOK_EVERY_MS)).toBe('kill');
});

test('the memory of a process is told in bytes, that of none is not', () => {
  const { rss } = process.memoryUsage();
  expect(residentBytesOf(process.pid)! / rss).toBeCloseTo(1, 0);
  expect(residentBytesOf(undefined)).toBeUndefined();
});
