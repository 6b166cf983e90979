import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { refuse } from '../../src/batching/admission.ts';
import { CoreShare, type CoreUser } from '../../src/batching/core-share.ts';
import { CostModel } from '../../src/batching/cost-model.ts';
import { Demand } from '../../src/batching/demand.ts';
import { cheapestSplit } from '../../src/batching/length-split.ts';
import { type QueuedRequest, RequestQueue } from '../../src/batching/request-queue.ts';
import { cutOutputs, padInputs } from '../../src/tensor/padding.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

describe('the cost of runs', () => {
  test('is what was measured, and linear between', () => {
    const costs = new CostModel([
      { rows: 1, ms: 10 },
      { rows: 2, ms: 12 },
      { rows: 4, ms: 16 },
    ]);
    expect([1, 2, 3, 4].map((rows) => costs.predictMs(rows))).toEqual([10, 12, 14, 16]);
  });

  test('is in proportion to the work where nothing near was measured, and nothing while nothing is known', () => {
    expect(new CostModel([{ rows: 4, ms: 16 }]).predictMs(16)).toBe(64);
    expect(new CostModel().predictMs(7)).toBe(0);
  });

  test('follows what runs take, whatever their sizes', () => {
    const costs = new CostModel([{ rows: 1, ms: 1 }]);
    for (let i = 0; i < 400; i++) costs.observe(1 + ((i * 7) % 24), 5 + 2 * (1 + ((i * 7) % 24)));
    for (const rows of [1, 3, 8, 24]) expect(costs.predictMs(rows)).toBeCloseTo(5 + 2 * rows, 0);
    expect(costs.caution).toBeLessThan(1.15);
  });

  test('sizes far from all that were run are guessed, and one that takes less is believed at once', () => {
    const costs = new CostModel([
      { rows: 1, ms: 10 },
      { rows: 32, ms: 20 },
    ]);
    expect([1, 32, 127, 128, 2000].map((work) => costs.knows(work))).toEqual([true, true, true, false, false]);
    expect(costs.predictMs(1024)).toBe(640);
    costs.observe(1024, 40);
    expect(costs.predictMs(1024)).toBe(40);
    expect(costs.knows(1024)).toBe(true);
  });

  test('runs that shared their cores say how slow things are now, not what a run costs', () => {
    const costs = new CostModel([
      { rows: 1, ms: 10 },
      { rows: 2, ms: 12 },
    ]);
    for (let i = 0; i < 60; i++) costs.observe(2, 24, true);
    expect(costs.aloneMs(2)).toBe(12);
    expect(costs.predictMs(2)).toBeCloseTo(24, 1);
    expect(costs.predictMs(1)).toBeCloseTo(20, 1);
    for (let i = 0; i < 60; i++) costs.observe(2, 12);
    expect(costs.predictMs(2)).toBeCloseTo(12, 1);
  });

  test('has its knee where a larger batch makes no row cheaper', () => {
    const curve = (ms: (rows: number) => number) =>
      new CostModel([1, 2, 4, 8, 16, 32].map((rows) => ({ rows, ms: ms(rows) })));
    expect(curve(() => 20).limit(32)).toBe(32);
    expect(curve((rows) => 10 * rows).limit(32)).toBe(1);
    expect(curve((rows) => 8 + rows).limit(32)).toBe(32);
    expect(curve((rows) => 1 + rows).limit(32)).toBe(16);
    expect(curve((rows) => 4 + rows + rows ** 2 / 8).limit(32)).toBe(4);
  });

  test('leaves sizes that were never run to be tried', () => {
    expect(new CostModel([{ rows: 1, ms: 10 }]).limit(32)).toBe(32);
  });
});

describe('refusal at the door', () => {
  const costs = new CostModel([1, 2, 4, 8].map((rows) => ({ rows, ms: 10 + rows })));
  const limits = { maxQueueRequests: 100, maxQueueBytes: 1000 };
  const load = {
    requests: 3,
    bytes: 12,
    work: 3,
    running: [{ endsAt: 105 }],
    engines: 1,
    maxWork: 8,
    demand: 0,
    workBehind: (dueAt: number) => (dueAt < 50 ? 3 : 0),
    firstDeadline: () => 1000,
  };
  const request = { work: 1, bytes: 4, dueAt: 1000, deadlineAt: 1000 };

  test('lets in whoever can be answered in time', () => {
    expect(refuse(request, load, limits, costs, 100)).toBeUndefined();
  });

  test('counts the run in progress, those who go before, and the request itself', () => {
    // 5 ms, and twice 12 ms, for runs of two: four do not fill a larger one
    expect(refuse({ ...request, deadlineAt: 129 }, load, limits, costs, 100)).toBeUndefined();
    expect(refuse({ ...request, deadlineAt: 123 }, load, limits, costs, 100)).toMatchObject({
      code: 'DEADLINE_UNREACHABLE',
      message:
        'Request timeout would expire: an answer is expected in 29 ms, and 23 ms are left. Retry later or allow more time.',
    });
  });

  test('asks for twice the margin from whom the next runs have no room for: who comes later is surer to be in time', () => {
    const unsure = new CostModel([{ rows: 1, ms: 10 }]);
    for (let i = 0; i < 20; i++) unsure.observe(1, i % 2 === 0 ? 9.5 : 10.5);
    const margin = unsure.caution - 1;
    expect(margin).toBeGreaterThan(0.1);
    /** The time that must be left, as a share of what is predicted. */
    const askedOf = (ahead: number, engines: number, behind = 0) => {
      const running = Array.from({ length: engines }, () => ({ endsAt: 110 }));
      const requests = ahead + behind;
      const found = { ...load, requests, work: requests, maxWork: 1, running, engines, workBehind: () => behind };
      const predicted = engines * 10 + (ahead + 1) * unsure.predictMs(1);
      for (let share = 0.5; ; share += 0.001) {
        const deadlineAt = 100 + (share * predicted) / engines;
        if (!refuse({ ...request, deadlineAt }, found, limits, unsure, 100)) return share;
      }
    };
    expect(askedOf(0, 1)).toBeCloseTo(1 + margin, 2);
    expect(askedOf(1, 1)).toBeCloseTo(1 + 2 * margin, 2);
    expect(askedOf(1, 2)).toBeCloseTo(1 + margin, 2);
    expect(askedOf(2, 2)).toBeCloseTo(1 + 2 * margin, 2);
    // Urgent, it goes before the others.
    expect(askedOf(0, 1, 3)).toBeCloseTo(1 + margin, 2);
  });

  test('counts on those who will come to share the run, as many as usually come in the time there is', () => {
    const busy = { ...load, demand: 1 };
    // 5 ms, and 18 ms for a run of eight: the five that it lacks come in the 5 ms before it begins
    expect(refuse({ ...request, deadlineAt: 123 }, busy, limits, costs, 100)).toBeUndefined();
    // 5 ms, and 14 ms for a run of four: for a larger one too few would come in time
    expect(refuse({ ...request, deadlineAt: 119 }, busy, limits, costs, 100)).toBeUndefined();
    expect(refuse({ ...request, deadlineAt: 118 }, busy, limits, costs, 100)?.message).toContain('in 19 ms');
  });

  test('does not count on a run of all who wait that would end too late for who goes first', () => {
    // 5 ms, and 14 ms for a run of four, or twice 12 ms for runs of two: those who wait have until 118, or until 119
    const at = (deadline: number, first: number) =>
      refuse(
        { ...request, deadlineAt: deadline },
        { ...load, demand: 1, firstDeadline: () => first },
        limits,
        costs,
        100,
      );
    expect(at(119, 119)).toBeUndefined();
    expect(at(119, 118)?.message).toContain('in 29 ms');
    expect(at(129, 118)).toBeUndefined();
    // Behind more than a run takes, who goes first has had its run before.
    const deep = { ...load, work: 13, demand: 1, firstDeadline: () => 107 };
    expect(refuse({ ...request, deadlineAt: 141 }, deep, limits, costs, 100)).toBeUndefined();
  });

  test('what was asked for fades within seconds, also while nothing comes', () => {
    const demand = new Demand();
    for (let ms = 0; ms < 5000; ms += 2) demand.asked(ms, 3);
    expect(demand.perMs(5000)).toBeCloseTo(1.5, 1);
    expect(demand.perMs(8000)).toBeLessThan(0.01);
    expect(new Demand().perMs(0)).toBe(0);
  });

  test('takes requests that are larger than a run should be as a run each', () => {
    const large = { ...request, work: 16 };
    const many = { ...load, work: 32, running: [{ endsAt: 100 }] };
    expect(refuse({ ...large, deadlineAt: 100 + 3 * 36 }, many, limits, costs, 100)).toBeUndefined();
    expect(refuse({ ...large, deadlineAt: 99 + 3 * 36 }, many, limits, costs, 100)).toBeDefined();
  });

  test('does not count those who are due later', () => {
    expect(refuse({ ...request, dueAt: 40, deadlineAt: 123 }, load, limits, costs, 100)).toBeUndefined();
  });

  test('an idle engine tries whatever was predicted', () => {
    expect(refuse({ ...request, deadlineAt: 101 }, { ...load, running: [] }, limits, costs, 100)).toBeUndefined();
  });

  test('while dead engines are replaced nobody is refused for want of time', () => {
    const none = { ...load, running: [], engines: 0 };
    expect(refuse({ ...request, deadlineAt: 101 }, none, limits, costs, 100)).toBeUndefined();
  });

  test('a full queue says which limit is reached', () => {
    expect(refuse(request, { ...load, requests: 100 }, limits, costs, 100)).toMatchObject({ code: 'QUEUE_FULL' });
    expect(refuse(request, { ...load, bytes: 998 }, limits, costs, 100)?.message).toContain('maxQueueBytes');
  });
});

describe('the queue', () => {
  const request = (dueAt: number, key = 'a'): QueuedRequest => ({
    dueAt,
    deadlineAt: dueAt,
    key,
    family: key,
    rows: 1,
    length: 1,
    bytes: 4,
    retry: false,
  });

  test('any requests pushed and removed in any order: each group is in order of due, and the sums are right', () => {
    const action = fc.record({
      due: fc.nat(20),
      key: fc.constantFrom('a', 'b'),
      remove: fc.boolean(),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const queue = new RequestQueue<QueuedRequest>();
        const inside: QueuedRequest[] = [];
        for (const { due, key, remove, which } of actions) {
          if (remove && inside.length > 0) queue.remove(inside.splice(which % inside.length, 1)[0]!);
          else {
            const added = request(due, key);
            inside.push(added);
            queue.push(added);
          }
        }
        for (const group of queue.groups()) {
          const dues = Array.from(group, ({ dueAt }) => dueAt);
          expect(dues).toEqual(dues.toSorted((a, b) => a - b));
          expect(group.first!.dueAt).toBe(dues[0]);
        }
        expect([queue.length, queue.work, queue.bytes]).toEqual([inside.length, inside.length, 4 * inside.length]);
        expect(Array.from(queue).every((waiting) => inside.includes(waiting))).toBe(true);
        expect(queue.firstDeadline()).toBe(Math.min(...inside.map(({ deadlineAt }) => deadlineAt)));
        expect(queue.workBehind(10)).toBe(inside.filter(({ dueAt }) => dueAt > 10).length);
      }),
    );
  });

  test('removing twice changes nothing', () => {
    const queue = new RequestQueue<QueuedRequest>();
    const only = request(1);
    queue.push(only);
    queue.remove(only);
    queue.remove(only);
    expect([queue.length, queue.groups().length]).toEqual([0, 0]);
  });
});

describe('the cores', () => {
  function setUp(cores: number, ...threads: number[]) {
    const clock = { now: 0 };
    const share = new CoreShare(cores, () => clock.now);
    const started: number[] = [];
    const users = threads.map((count, i) => {
      const user: CoreUser & { wants: boolean } = {
        threads: count,
        wants: false,
        wantsToStart: () => user.wants,
        start: () => started.push(i),
      };
      share.join(user);
      return user;
    });
    return { clock, share, users, started };
  }

  test('a model alone takes what it is given', () => {
    const { share, users } = setUp(2, 2);
    share.started(users[0]!, 10);
    expect(share.startsAt(users[0]!, 10)).toBeUndefined();
  });

  test('a run of another model waits for one that ends soon, and has the cores to itself then', () => {
    const { share, users, started, clock } = setUp(2, 2, 2);
    const ended = share.started(users[0]!, 10);
    users[1]!.wants = true;
    expect(share.startsAt(users[1]!, 10)).toBe(20);
    clock.now = 10;
    ended.end();
    expect(started).toEqual([1]);
    expect(share.startsAt(users[1]!, 10)).toBeUndefined();
  });

  test('does not wait for a long one, nor for one that takes far longer than it should, nor when it is short', () => {
    const { share, users, clock } = setUp(2, 2, 2);
    share.started(users[0]!, 100);
    expect(share.startsAt(users[1]!, 10)).toBeUndefined();
    expect(share.startsAt(users[1]!, 1)).toBeUndefined();
    clock.now = 95;
    expect(share.startsAt(users[1]!, 10)).toBe(200);
    clock.now = 201;
    expect(share.startsAt(users[1]!, 10)).toBeUndefined();
  });

  test('does not wait while cores are free, nor where it takes none', () => {
    const { share, users } = setUp(2, 1, 1, 0);
    share.started(users[0]!, 10);
    expect(share.startsAt(users[1]!, 10)).toBeUndefined();
    share.started(users[1]!, 10);
    expect(share.startsAt(users[2]!, 10)).toBeUndefined();
  });

  test('a run is crowded where another model wants its cores, and by nothing of its own', () => {
    const { share, users } = setUp(2, 2, 2);
    const first = share.started(users[0]!, 10);
    const ahead = share.started(users[0]!, 10);
    expect([first, ahead].map(({ crowded }) => crowded)).toEqual([false, false]);
    const other = share.started(users[1]!, 10);
    expect([first, ahead, other].map(({ crowded }) => crowded)).toEqual([true, true, true]);
    for (const run of [first, ahead, other]) run.end();
    expect(share.started(users[0]!, 10).crowded).toBe(false);
  });

  test('who has used least goes next, and idle time is not saved up', () => {
    const { share, users, started, clock } = setUp(2, 2, 2);
    const [first, second] = users as [(typeof users)[0], (typeof users)[0]];
    first.wants = true;
    const one = share.started(first, 50);
    clock.now = 50;
    one.end();
    const two = share.started(second, 10);
    second.wants = true;
    clock.now = 60;
    started.length = 0;
    two.end();
    expect(started).toEqual([0, 1]);
    const three = share.started(first, 20);
    clock.now = 80;
    three.end();
    expect(started).toEqual([0, 1, 1, 0]);
  });
});

describe('requests cut into runs by length', () => {
  const limits = { maxRows: 4, maxWork: 1000 };
  const lengths = (...sizes: number[]) => sizes.map((length) => ({ rows: 1, length }));

  test('similar lengths go together, different ones apart', () => {
    expect(cheapestSplit(lengths(8, 9, 9, 10, 31, 32, 126, 128), (work) => 5 + work, limits)).toEqual([4, 6, 8]);
  });

  test('any list: no run is over the limits, no run is mostly padding, and no other cut is cheaper', () => {
    const item = fc.record({ rows: fc.integer({ min: 1, max: 3 }), length: fc.integer({ min: 1, max: 40 }) });
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 9 }), fc.integer({ min: 0, max: 50 }), (items, a) => {
        const sorted = items.toSorted((x, y) => x.length - y.length);
        const cost = (work: number) => a + work;
        const ends = cheapestSplit(sorted, cost, limits);
        expect(ends.at(-1)).toBe(sorted.length);
        expect(costOf(sorted, ends, cost)).toBe(cheapestByTrying(sorted, cost));
      }),
    );
  });

  function costOf(
    items: readonly { rows: number; length: number }[],
    ends: readonly number[],
    cost: (work: number) => number,
  ) {
    let total = 0;
    for (const [i, end] of ends.entries()) {
      const run = items.slice(ends[i - 1] ?? 0, end);
      const rows = run.reduce((sum, item) => sum + item.rows, 0);
      const work = rows * run.at(-1)!.length;
      const content = run.reduce((sum, item) => sum + item.rows * item.length, 0);
      if (run.length > 1 && (rows > limits.maxRows || work > limits.maxWork || content < 0.8 * work)) return Infinity;
      total += cost(work);
    }
    return total;
  }

  function cheapestByTrying(items: readonly { rows: number; length: number }[], cost: (work: number) => number) {
    let best = Number.POSITIVE_INFINITY;
    for (let cuts = 0; cuts < 2 ** (items.length - 1); cuts++) {
      const ends = items.flatMap((_, i) => (i === items.length - 1 || (cuts >> i) & 1 ? [i + 1] : []));
      best = Math.min(best, costOf(items, ends, cost));
    }
    return best;
  }
});

describe('padding', () => {
  const plan = { inputs: new Map([['x', { axis: 1, value: 7 }]]), outputs: new Map([['y', 2]]) };

  test('fills each row of an input up with its value, in its own datatype', () => {
    const x: Tensor = { datatype: 'INT64', shape: [2, 2], data: BigInt64Array.from([1n, 2n, 3n, 4n]) };
    const padded = padInputs(new Map([['x', x]]), plan, 3).get('x')!;
    expect(padded.shape).toEqual([2, 3]);
    expect([...padded.data]).toEqual([1n, 2n, 7n, 3n, 4n, 7n]);
  });

  test('cuts an output back in any of its dimensions', () => {
    const y: Tensor = { datatype: 'FP32', shape: [1, 2, 3], data: Float32Array.from([1, 2, 0, 3, 4, 0]) };
    const cut = cutOutputs(new Map([['y', y]]), plan, 2).get('y')!;
    expect(cut.shape).toEqual([1, 2, 2]);
    expect([...cut.data]).toEqual([1, 2, 3, 4]);
  });
});
