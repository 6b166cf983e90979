import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { DynamicBatcher, type DynamicBatcherOptions } from '../../src/batching/dynamic-batcher.ts';
import type { CancelSignal, InferenceContext } from '../../src/inference.ts';
import {
  engineFailed,
  FakeExecutor,
  inferenceFailed,
  notStarted,
  rows,
  waitingRuns,
} from '../fixtures/fake-executor.ts';

const silent = { batchExecuted() {}, batchFailed() {}, queueChanged() {} };

function setUp(options: Partial<DynamicBatcherOptions> = {}, slots = 1) {
  const executor = new FakeExecutor(slots);
  const defaults = {
    batchable: true,
    maxBatchSize: 4,
    maxQueueRequests: 100,
    maxQueueBytes: 1e6,
    now: () => performance.now(),
  };
  const batcher = new DynamicBatcher(executor, { ...defaults, ...options }, silent);
  const enqueue = (values: number[], context: Partial<InferenceContext> = {}) =>
    batcher.enqueue(rows(...values), undefined, {
      signal: signal(),
      deadlineAt: performance.now() + 10_000,
      ...context,
    });
  return { executor, batcher, enqueue };
}

function signal(): CancelSignal & { abort(): void } {
  return {
    aborted: false,
    onabort: null,
    abort() {
      (this as { aborted: boolean }).aborted = true;
      this.onabort?.();
    },
  };
}

const valuesOf = (result: Awaited<ReturnType<DynamicBatcher['enqueue']>>) => [
  ...(result.outputs.get('y')!.data as Float32Array),
];

describe('batching', () => {
  test('an idle engine gets at once what there is', async () => {
    const { executor, enqueue } = setUp();
    const answer = enqueue([1]);
    await turn();
    expect(waitingRuns(executor)).toEqual([[1]]);
    executor.runs[0]!.pass();
    expect((await answer).timings).toMatchObject({ batchRows: 1, dispatchReason: 'idle' });
  });

  test('requests that arrive together run together, and each gets its own rows', async () => {
    const { executor, enqueue } = setUp();
    const answers = Promise.all([enqueue([1]), enqueue([2, 3]), enqueue([4])]);
    await turn();
    expect(waitingRuns(executor)).toEqual([[1, 2, 3, 4]]);
    executor.runs[0]!.pass();
    expect((await answers).map(valuesOf)).toEqual([[1], [2, 3], [4]]);
  });

  test('sends what it has as soon as a slot frees', async () => {
    const { executor, enqueue } = setUp();
    const first = enqueue([1]);
    await turn();
    const others = [enqueue([2]), enqueue([3])];
    await turn();
    expect(waitingRuns(executor)).toEqual([[1]]);
    executor.runs[0]!.pass();
    await first;
    await turn();
    expect(waitingRuns(executor)).toEqual([[2, 3]]);
    executor.runs[0]!.pass();
    for (const { timings } of await Promise.all(others)) expect(timings.dispatchReason).toBe('slot_freed');
  });

  test('where runs are short one batch is sent ahead of the running one, and no more', async () => {
    const { executor, enqueue } = setUp();
    executor.depth = 2;
    const answers: ReturnType<typeof enqueue>[] = [];
    for (const value of [1, 2, 3]) {
      answers.push(enqueue([value]));
      await turn();
    }
    expect(waitingRuns(executor)).toEqual([[1], [2]]);
    for (let i = 0; i < 3; i++) {
      executor.runs[0]!.pass();
      await turn();
      await turn();
    }
    expect((await Promise.all(answers)).map(({ timings }) => timings.dispatchReason)).toEqual([
      'idle',
      'ahead',
      'ahead',
    ]);
  });

  test('a batch stops at the limit, and the next free engine takes the rest', async () => {
    const { executor, enqueue } = setUp({}, 2);
    const answers = [1, 2, 3, 4, 5, 6].map((value) => enqueue([value]));
    await turn();
    expect(waitingRuns(executor)).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ]);
    for (const run of [...executor.runs]) run.pass();
    expect((await Promise.all(answers)).flatMap(valuesOf)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('requests that want other outputs run apart, whatever the outputs are called', async () => {
    const { executor, batcher } = setUp();
    const want = (...outputs: string[]) =>
      batcher.enqueue(rows(1), outputs, { signal: signal(), deadlineAt: performance.now() + 10_000 });
    const answers = [want('a,b'), want('a', 'b'), want('a,b')];
    await turn();
    expect(waitingRuns(executor)).toEqual([[1, 1]]);
    executor.runs[0]!.pass();
    await turn();
    await turn();
    expect(waitingRuns(executor)).toEqual([[1]]);
    executor.runs[0]!.pass();
    await Promise.all(answers);
  });

  test('a request with more rows than the limit runs by itself', async () => {
    const { executor, enqueue } = setUp();
    const answers = [enqueue([1, 2, 3, 4, 5]), enqueue([6])];
    await turn();
    expect(waitingRuns(executor)).toEqual([[1, 2, 3, 4, 5]]);
    executor.runs[0]!.pass();
    await answers[0];
    await turn();
    executor.runs[0]!.pass();
    expect(valuesOf(await answers[1]!)).toEqual([6]);
  });

  test('a model that does not batch runs one request at a time', async () => {
    const { executor, enqueue } = setUp({ batchable: false });
    const answers = [enqueue([1]), enqueue([2])];
    await turn();
    expect(waitingRuns(executor)).toEqual([[1]]);
    executor.runs[0]!.pass();
    expect((await answers[0])!.timings.dispatchReason).toBe('unbatched');
    await turn();
    executor.runs[0]!.pass();
    await answers[1];
  });
});

describe('failures', () => {
  test('a row that the model refuses fails alone; its neighbours are answered', async () => {
    const { executor, enqueue } = setUp();
    const answers = Promise.allSettled([enqueue([1]), enqueue([-1]), enqueue([3])]);
    await turn();
    executor.runs[0]!.fail(inferenceFailed());
    for (const expected of [[1], [-1], [3]]) {
      await turn();
      await turn();
      expect(waitingRuns(executor)).toEqual([expected]);
      if (expected[0] === -1) executor.runs[0]!.fail(inferenceFailed());
      else executor.runs[0]!.pass();
    }
    const [first, guilty, last] = await answers;
    expect([first!.status, last!.status]).toEqual(['fulfilled', 'fulfilled']);
    expect(guilty).toMatchObject({ status: 'rejected', reason: { code: 'INFERENCE_FAILED' } });
  });

  test('when an engine dies each member of its batch runs once more, by itself', async () => {
    const { executor, enqueue } = setUp();
    const answers = Promise.all([enqueue([1]), enqueue([2])]);
    await turn();
    executor.runs[0]!.fail(engineFailed());
    await turn();
    expect(waitingRuns(executor)).toEqual([[1]]);
    executor.runs[0]!.pass();
    await turn();
    await turn();
    expect(waitingRuns(executor)).toEqual([[2]]);
    executor.runs[0]!.pass();
    expect((await answers).map(({ timings }) => timings.dispatchReason)).toEqual(['alone', 'alone']);
  });

  test('a batch that was sent ahead to an engine that died over another one runs again as it was', async () => {
    const { executor, enqueue } = setUp();
    executor.depth = 2;
    const running = enqueue([1]);
    await turn();
    const ahead = [enqueue([2]), enqueue([3])];
    await turn();
    expect(waitingRuns(executor)).toEqual([[1], [2, 3]]);
    const [first, second] = [...executor.runs];
    first!.fail(engineFailed());
    second!.fail(notStarted());
    await turn();
    await turn();
    for (const run of [...executor.runs]) run.pass();
    await turn();
    await turn();
    for (const run of [...executor.runs]) run.pass();
    expect(await running).toMatchObject({ timings: { dispatchReason: 'alone' } });
    expect((await Promise.all(ahead)).map(({ timings }) => timings.batchRows)).toEqual([2, 2]);
  });

  test('a request that killed two engines is refused', async () => {
    const { executor, enqueue } = setUp();
    const answer = enqueue([1]);
    const refused = expect(answer).rejects.toMatchObject({ code: 'ENGINE_FAILED' });
    for (let i = 0; i < 2; i++) {
      await turn();
      await turn();
      executor.runs[0]!.fail(engineFailed());
    }
    await refused;
    await turn();
    expect(executor.runs).toHaveLength(0);
  });

  test('requests wait while no engine is there, and run when one is back', async () => {
    const { executor, enqueue } = setUp({}, 0);
    const answer = enqueue([1]);
    await turn();
    expect(executor.runs).toHaveLength(0);
    executor.change({ engines: 1 });
    await turn();
    executor.runs[0]!.pass();
    expect(valuesOf(await answer)).toEqual([1]);
  });

  test('a crash loop answers those who wait and refuses those who come', async () => {
    const { executor, enqueue } = setUp({}, 0);
    const waiting = expect(enqueue([1])).rejects.toMatchObject({ code: 'MODEL_NOT_READY' });
    executor.change({ failure: 'its engines died 5 times in a row' });
    await waiting;
    await expect(enqueue([2])).rejects.toMatchObject({ code: 'MODEL_NOT_READY' });
  });
});

describe('limits', () => {
  test('a full queue refuses with a time to come back', async () => {
    const { executor, enqueue } = setUp({ maxQueueRequests: 1 });
    const first = enqueue([1]);
    await turn();
    const second = enqueue([2]);
    await expect(enqueue([3])).rejects.toMatchObject({ code: 'QUEUE_FULL', retryAfterMs: expect.any(Number) });
    executor.runs[0]!.pass();
    await first;
    await turn();
    executor.runs[0]!.pass();
    await second;
  });

  test('the queue is bounded in bytes too, but an empty queue takes any request', async () => {
    const { executor, batcher, enqueue } = setUp({ maxQueueBytes: 8 });
    const first = enqueue([1]);
    await turn();
    const large = enqueue([2, 3, 4]);
    await expect(enqueue([5])).rejects.toMatchObject({ code: 'QUEUE_FULL' });
    executor.runs[0]!.pass();
    await first;
    await turn();
    executor.runs[0]!.pass();
    await large;
    expect(batcher.inFlight).toBe(0);
  });

  test('a request whose deadline passes in the queue never runs', async () => {
    const { executor, enqueue } = setUp();
    const first = enqueue([1]);
    await turn();
    await expect(enqueue([2], { deadlineAt: performance.now() + 5 })).rejects.toMatchObject({ code: 'QUEUE_TIMEOUT' });
    executor.runs[0]!.pass();
    await first;
    await turn();
    expect(executor.runs).toHaveLength(0);
  });

  test('a request whose deadline passes while it runs is answered then; its result is dropped', async () => {
    const { executor, enqueue } = setUp();
    await expect(enqueue([1], { deadlineAt: performance.now() + 5 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    executor.runs[0]!.pass();
    const next = enqueue([2]);
    await turn();
    await turn();
    executor.runs[0]!.pass();
    expect(valuesOf(await next)).toEqual([2]);
  });

  test('a client that goes away takes its request out of the queue', async () => {
    const { executor, batcher, enqueue } = setUp();
    const first = enqueue([1]);
    await turn();
    const gone = signal();
    const second = enqueue([2], { signal: gone });
    expect(batcher.queued).toBe(1);
    gone.abort();
    await expect(second).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(batcher.queued).toBe(0);
    executor.runs[0]!.pass();
    await first;
    await turn();
    expect(executor.runs).toHaveLength(0);
  });

  test('stop finishes what is inside and takes no more', async () => {
    const { executor, batcher, enqueue } = setUp();
    const answer = enqueue([1]);
    const stopped = batcher.stop();
    await expect(enqueue([2])).rejects.toMatchObject({ code: 'MODEL_NOT_READY' });
    await turn();
    executor.runs[0]!.pass();
    await stopped;
    expect(valuesOf(await answer)).toEqual([1]);
  });
});
