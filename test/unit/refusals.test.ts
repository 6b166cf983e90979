import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Refusals } from '../../src/http/refusals.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a few refusals are sent at once', () => {
  const refusals = new Refusals();
  const sent: number[] = [];
  for (let i = 0; i < 3; i++) refusals.add(() => sent.push(i));
  expect(sent).toEqual([0, 1, 2]);
});

test('many are sent ten every two milliseconds, in their order, and none is left', () => {
  const refusals = new Refusals();
  const sent: number[] = [];
  for (let i = 0; i < 25; i++) refusals.add(() => sent.push(i));
  expect(sent).toHaveLength(10);
  vi.advanceTimersByTime(2);
  expect(sent).toHaveLength(20);
  refusals.add(() => sent.push(25));
  expect(sent).toHaveLength(20);
  vi.advanceTimersByTime(4);
  expect(sent).toEqual(Array.from({ length: 26 }, (_, i) => i));
  refusals.add(() => sent.push(26));
  expect(sent).toHaveLength(27);
});
