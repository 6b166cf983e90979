// What is done with the turns of the event loop.

import { describe, expect, test } from 'vitest';
import { BusyPolling } from '../../src/execution/busy-polling.ts';
import { Cohort } from '../../src/http/cohort.ts';
import { Admission } from '../../src/serving/admission.ts';
import { IdleTime } from '../../src/serving/idle-time.ts';

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
  function setUp() {
    const clock = { now: 0 };
    const turns: (() => void)[] = [];
    const polling = new BusyPolling(
      () => clock.now,
      (callback) => turns.push(callback),
    );
    return { clock, polling, turn: () => turns.shift()?.(), isTurning: () => turns.length > 0 };
  }

  test('keeps the event loop turning until a short run is back', () => {
    const { polling, turn, isTurning } = setUp();
    polling.begin(0.05);
    turn();
    expect(isTurning()).toBe(true);
    polling.end();
    turn();
    expect(isTurning()).toBe(false);
  });

  test('gives up on what is held up', () => {
    const { clock, polling, turn, isTurning } = setUp();
    polling.begin(0.05);
    clock.now = 5;
    turn();
    expect(isTurning()).toBe(false);
  });

  test('is not for what takes long, nor for what is not known yet', () => {
    const { polling, isTurning } = setUp();
    for (const expectedMs of [5, Number.POSITIVE_INFINITY]) {
      polling.begin(expectedMs);
      expect(isTurning()).toBe(false);
      polling.end();
    }
  });

  test('ends when something else is awaited too, which needs the core', () => {
    const { polling, turn, isTurning } = setUp();
    polling.begin(0.05);
    polling.begin(30);
    turn();
    expect(isTurning()).toBe(false);
    polling.begin(0.05);
    expect(isTurning()).toBe(false);
  });

  test('turns in the event loop itself unless told otherwise', async () => {
    const polling = new BusyPolling(() => performance.now());
    const isTurning = () => process.getActiveResourcesInfo().includes('Immediate');
    polling.begin(0.05);
    expect(isTurning()).toBe(true);
    await expect.poll(isTurning).toBe(false);
  });
});

test('the next request is expected after as long a time as the longer of the last two that were idle', () => {
  const clock = { now: 0 };
  const heard: (number | 'end')[] = [];
  const waiting = { begin: (ms: number) => heard.push(ms), end: () => heard.push('end') };
  const admission = new Admission(100, new IdleTime(waiting, () => clock.now));
  const idle = [3, 0.2, 0.3, 8];
  admission.admit(1);
  for (const ms of idle) {
    // Whoever comes while another is inside changes nothing.
    admission.admit(1);
    admission.leave(1);
    admission.leave(1);
    clock.now += ms;
    admission.admit(1);
  }
  const unknown = Number.POSITIVE_INFINITY;
  const expected = heard.filter((each) => each !== 'end');
  expect(expected).toEqual([unknown, unknown, expect.closeTo(3), expect.closeTo(0.3)]);
  expect(heard.filter((each) => each === 'end')).toHaveLength(idle.length);
});
