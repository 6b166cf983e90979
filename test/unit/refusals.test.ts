import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Refusals } from '../../src/http/refusals.ts';

test('a few refusals are sent at once', () => {
  const refusals = new Refusals();
  const sent: number[] = [];
  for (let i = 0; i < 3; i++) refusals.add(() => sent.push(i));
  expect(sent).toEqual([0, 1, 2]);
});

test('many are sent over several turns of the event loop, in their order, and none is left', async () => {
  const refusals = new Refusals();
  const sent: number[] = [];
  for (let i = 0; i < 25; i++) refusals.add(() => sent.push(i));
  expect(sent).toHaveLength(10);
  await turn();
  expect(sent).toHaveLength(20);
  refusals.add(() => sent.push(25));
  expect(sent).toHaveLength(20);
  for (let i = 0; i < 3; i++) await turn();
  expect(sent).toEqual(Array.from({ length: 26 }, (_, i) => i));
  refusals.add(() => sent.push(26));
  expect(sent).toHaveLength(27);
});
