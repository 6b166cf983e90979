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

  test('is another one in the next turn, and each is told of once', async () => {
    let turns = 0;
    const cohort = new Cohort({ happened: () => turns++ });
    const earlier = cohort.gathered();
    await Promise.all([earlier, cohort.gathered()]);
    expect(turns).toBe(1);
    expect(cohort.gathered()).not.toBe(earlier);
    expect(turns).toBe(2);
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
    const { polling, turn, isTurning } = setUp();
    for (const expectedMs of [5, Number.POSITIVE_INFINITY]) {
      polling.begin(expectedMs);
      expect(isTurning()).toBe(false);
      polling.end();
      turn();
      expect(isTurning()).toBe(false);
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

  /** Each so long after the one before has been dealt with. */
  function happenAll(quietMs: readonly number[]) {
    const { clock, polling, turn, isTurning } = setUp();
    for (const ms of quietMs) {
      clock.now += ms;
      polling.happened();
      clock.now += 0.2;
      turn();
    }
    return { clock, turn, isTurning };
  }

  test('keeps the event loop turning for whatever comes next while something happens all the time', () => {
    const { clock, turn, isTurning } = happenAll(Array(100).fill(0.05));
    clock.now += 0.25;
    turn();
    expect(isTurning()).toBe(true);
    clock.now += 0.1;
    turn();
    expect(isTurning()).toBe(false);
  });

  test('lets it sleep where it is quiet for longer in between, or was a moment ago', () => {
    const often = Array<number>(100).fill(0.05);
    const quiet = [Array<number>(100).fill(0.2), often.flatMap(() => [0.05, 2]), [...often, ...Array(10).fill(60_000)]];
    for (const each of quiet) expect(happenAll(each).isTurning()).toBe(false);
    expect(happenAll([60_000, ...often]).isTurning()).toBe(true);
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
