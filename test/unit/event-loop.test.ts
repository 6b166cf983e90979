// What is done with the turns of the event loop.

import { describe, expect, test } from 'vitest';
import { BusyPolling } from '../../src/execution/busy-polling.ts';
import { Cohort } from '../../src/http/cohort.ts';

describe('a cohort', () => {
  test('goes on together, behind everything else of its turn', async () => {
    const cohort = new Cohort();
    const order: string[] = [];
    const first = cohort.gathered().then(() => order.push('a'));
    process.nextTick(() => order.push('rest of the turn'));
    const second = cohort.gathered().then(() => order.push('b'));
    setImmediate(() => order.push('next'));
    await Promise.all([first, second]);
    await new Promise(setImmediate);
    expect(order).toEqual(['rest of the turn', 'a', 'b', 'next']);
  });

  test('is another one in the next turn', async () => {
    const cohort = new Cohort();
    const earlier = cohort.gathered();
    await earlier;
    expect(cohort.gathered()).not.toBe(earlier);
  });
});

describe('busy polling', () => {
  const isTurning = () => process.getActiveResourcesInfo().includes('Immediate');

  test('keeps the event loop turning until a short run is back', async () => {
    const polling = new BusyPolling();
    polling.begin(0.05);
    expect(isTurning()).toBe(true);
    polling.end();
    await new Promise(setImmediate);
    expect(isTurning()).toBe(false);
  });

  test('gives up on an engine that is held up', async () => {
    const polling = new BusyPolling();
    polling.begin(0.05);
    await expect.poll(isTurning).toBe(false);
    polling.end();
  });

  test('is not for longer runs, nor for what is not known yet', () => {
    const polling = new BusyPolling();
    polling.begin(5);
    polling.begin(Number.POSITIVE_INFINITY);
    expect(isTurning()).toBe(false);
  });
});
