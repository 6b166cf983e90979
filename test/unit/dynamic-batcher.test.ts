import { setImmediate as turn } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';
import { describe, expect, test } from 'vitest';
import type { FinishedBatch } from '../../src/batching/batch-observer.ts';
import { ClientBatchSplitter } from '../../src/batching/client-batch.ts';
import { CoreShare } from '../../src/batching/core-share.ts';
import { CostModel } from '../../src/batching/cost-model.ts';
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

function setUp(options: Partial<DynamicBatcherOptions> = {}, slots = 1) {
  const executor = new FakeExecutor(slots);
  const defaults = {
    batchable: true,
    maxBatchSize: 4,
    maxQueueRequests: 100,
    maxQueueBytes: 1e6,
    costs: new CostModel(),
    cores: new CoreShare(2, () => performance.now()),
    threads: 1,
    now: () => performance.now(),
  };
  const finished: FinishedBatch[] = [];
  const observer = {
    batchExecuted: (batch: FinishedBatch) => finished.push(batch),
    batchFailed() {},
    queueChanged() {},
  };
  const batcher = new DynamicBatcher(executor, { ...defaults, ...options }, observer);
  const enqueue = (values: number[], more: Partial<InferenceContext> = {}) =>
    batcher.enqueue(rows(...values), undefined, context(more));
  return { executor, batcher, enqueue, finished };
}

function context(more: Partial<InferenceContext> = {}): InferenceContext {
  return { signal: signal(), deadlineAt: performance.now() + 10_000, priority: 0, ...more };
}

/** Several turns of the event loop: answers are given and what follows is sent. */
async function turns(): Promise<void> {
  for (let i = 0; i < 4; i++) await turn();
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
    const want = (...outputs: string[]) => batcher.enqueue(rows(1), outputs, context());
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

  test('a client batch over the limit is cut into runs of even size, and joined again', async () => {
    const { executor, batcher } = setUp({}, 2);
    const splitter = new ClientBatchSplitter(batcher, 4);
    const answer = splitter.enqueue(rows(1, 2, 3, 4, 5, 6, 7, 8, 9), undefined, context());
    await turn();
    expect(waitingRuns(executor)).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    executor.runs[1]!.pass();
    await turns();
    for (const run of [...executor.runs]) run.pass();
    expect(valuesOf(await answer)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test('when a part of a client batch fails, the others are taken out of the queue', async () => {
    const { executor, batcher } = setUp({ maxBatchSize: 1 });
    const splitter = new ClientBatchSplitter(batcher, 1);
    const answer = expect(splitter.enqueue(rows(1, -2, 3, 4), undefined, context())).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
    });
    await turn();
    executor.runs[0]!.fail(inferenceFailed());
    await answer;
    await turns();
    expect(batcher.inFlight).toBe(0);
    // The next part had begun already; it is the last.
    executor.runs[0]!.pass();
    await turns();
    expect(executor.runs).toHaveLength(0);
  });

  test('a client that goes away takes all parts of its batch along', async () => {
    const { executor, batcher } = setUp({ maxBatchSize: 1 });
    const splitter = new ClientBatchSplitter(batcher, 1);
    const gone = signal();
    const answer = expect(splitter.enqueue(rows(1, 2, 3), undefined, context({ signal: gone }))).rejects.toMatchObject({
      code: 'CANCELLED',
    });
    await turn();
    gone.abort();
    await answer;
    expect(batcher.queued).toBe(0);
    executor.runs[0]!.pass();
    await turns();
    expect(executor.runs).toHaveLength(0);
  });

  test('requests of several lengths run together, filled up, and each gets its own part', async () => {
    const padding = { inputs: new Map([['x', { axis: 1, value: 0 }]]), outputs: new Map([['y', 1]]) };
    const costs = new CostModel([
      { rows: 1, ms: 10 },
      { rows: 64, ms: 10.5 },
    ]);
    const { executor, batcher, finished } = setUp({ padding, costs });
    const row = (...values: number[]) =>
      new Map([['x', { datatype: 'FP32' as const, shape: [1, values.length], data: Float32Array.from(values) }]]);
    const first = batcher.enqueue(row(1, 2, 3, 4, 5), undefined, context());
    const second = batcher.enqueue(row(6, 7, 8, 9), undefined, context());
    const alone = batcher.enqueue(row(1), undefined, context());
    await turn();
    expect(waitingRuns(executor)).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]]);
    executor.runs[0]!.pass();
    expect((await Promise.all([first, second])).map(valuesOf)).toEqual([
      [1, 2, 3, 4, 5],
      [6, 7, 8, 9],
    ]);
    expect((await second).outputs.get('y')!.shape).toEqual([1, 4]);
    expect(finished[0]!.padding).toBeCloseTo(0.1);
    await turns();
    executor.runs[0]!.pass();
    expect(valuesOf(await alone)).toEqual([1]);
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
  test('of a batch that the model refuses only the guilty row fails, found by halves', async () => {
    const { executor, enqueue } = setUp({ maxBatchSize: 8 });
    const answers = Promise.allSettled([1, 2, 3, 4, 5, -1, 7, 8].map((value) => enqueue([value])));
    await turn();
    const tried: number[][] = [];
    while (executor.runs.length > 0) {
      const [values] = waitingRuns(executor);
      tried.push(values!);
      if (values!.includes(-1)) executor.runs[0]!.fail(inferenceFailed());
      else executor.runs[0]!.pass();
      await turns();
    }
    expect(tried.map((values) => values.length).toSorted()).toEqual([1, 1, 2, 2, 4, 4, 8]);
    for (const [i, answer] of (await answers).entries()) {
      if (i === 5) expect(answer).toMatchObject({ status: 'rejected', reason: { code: 'INFERENCE_FAILED' } });
      else expect(answer).toMatchObject({ status: 'fulfilled', value: { timings: { dispatchReason: 'retry' } } });
    }
  });

  test('inputs that were refused once run apart from others the next time', async () => {
    const { executor, enqueue } = setUp();
    const first = expect(enqueue([-1])).rejects.toMatchObject({ code: 'INFERENCE_FAILED' });
    await turn();
    executor.runs[0]!.fail(inferenceFailed());
    await first;
    const again = expect(enqueue([-1])).rejects.toMatchObject({ code: 'INFERENCE_FAILED' });
    const others = [enqueue([1]), enqueue([2])];
    await turn();
    expect(waitingRuns(executor)).toEqual([[-1]]);
    executor.runs[0]!.fail(inferenceFailed());
    await again;
    await turns();
    expect(waitingRuns(executor)).toEqual([[1, 2]]);
    executor.runs[0]!.pass();
    await Promise.all(others);
  });

  test('only the very inputs that were refused are kept apart, however much others look like them', async () => {
    const { executor, enqueue } = setUp({ maxBatchSize: 500 });
    const long = (middle: number) => Array.from({ length: 200 }, (_, i) => (i === 100 ? middle : 0));
    const first = expect(enqueue(long(-1))).rejects.toMatchObject({ code: 'INFERENCE_FAILED' });
    await turn();
    executor.runs[0]!.fail(inferenceFailed());
    await first;
    const others = [enqueue(long(1)), enqueue(long(2))];
    await turns();
    expect(waitingRuns(executor).map((values) => values.length)).toEqual([400]);
    executor.runs[0]!.pass();
    await Promise.all(others);
  });

  test('inputs that have killed two engines are not run again', async () => {
    const { executor, enqueue } = setUp();
    const first = expect(enqueue([1])).rejects.toMatchObject({ code: 'ENGINE_FAILED' });
    for (let i = 0; i < 2; i++) {
      await turns();
      executor.runs[0]!.fail(engineFailed());
    }
    await first;
    await expect(enqueue([1])).rejects.toMatchObject({ code: 'ENGINE_FAILED' });
    const other = enqueue([2]);
    await turns();
    executor.runs[0]!.pass();
    expect(valuesOf(await other)).toEqual([2]);
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
    expect((await answers).map(({ timings }) => timings.dispatchReason)).toEqual(['retry', 'retry']);
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
    expect(await running).toMatchObject({ timings: { dispatchReason: 'retry' } });
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

  test('a request that could not be answered in time is refused at the door, with a time to come back', async () => {
    const costs = new CostModel([{ rows: 1, ms: 1000 }]);
    const { executor, enqueue } = setUp({ costs });
    const first = enqueue([1], { deadlineAt: performance.now() + 100 });
    await turn();
    await expect(enqueue([2], { deadlineAt: performance.now() + 1500 })).rejects.toMatchObject({
      code: 'DEADLINE_UNREACHABLE',
      retryAfterMs: expect.any(Number),
    });
    const patient = enqueue([3]);
    executor.runs[0]!.pass();
    await first;
    await turns();
    executor.runs[0]!.pass();
    expect(valuesOf(await patient)).toEqual([3]);
  });

  test('a request that can no longer be answered in time is not run when an engine becomes free', async () => {
    const costs = new CostModel([{ rows: 1, ms: 10 }]);
    let now = 0;
    const { executor, enqueue } = setUp({ costs, now: () => now });
    const first = enqueue([1], { deadlineAt: 1e6 });
    await turn();
    const hopeless = [105, 106].map((deadlineAt) =>
      expect(enqueue([2], { deadlineAt })).rejects.toMatchObject({ code: 'QUEUE_TIMEOUT' }),
    );
    const patient = enqueue([3], { deadlineAt: 1e6 });
    now = 100;
    executor.runs[0]!.pass();
    await first;
    await turns();
    await Promise.all(hopeless);
    expect(waitingRuns(executor)).toEqual([[3]]);
    executor.runs[0]!.pass();
    await patient;
  });

  test('an engine is told until when a run may begin, and what it did not begin runs later', async () => {
    const { executor, enqueue } = setUp();
    executor.depth = 2;
    const soon = performance.now() + 5000;
    const running = enqueue([1]);
    await turn();
    const ahead = [enqueue([2], { deadlineAt: soon }), enqueue([3])];
    await turn();
    expect(executor.runs[1]!.options.beginBy).toBe(soon);
    executor.runs[1]!.fail(notStarted());
    await turns();
    for (const run of [...executor.runs]) run.pass();
    await Promise.all([running, ...ahead]);
  });

  test('a more urgent request goes first, and one that has waited longer than the difference before it', async () => {
    const { executor, enqueue } = setUp({ batchable: false });
    const deadlineAt = performance.now() + 60_000;
    const first = enqueue([1]);
    await turn();
    const others = [
      enqueue([2], { deadlineAt }),
      enqueue([3], { deadlineAt, priority: -2 }),
      enqueue([4], { deadlineAt: deadlineAt + 5000, priority: -4 }),
    ];
    const order: number[] = [];
    for (let i = 0; i < 4; i++) {
      order.push(...waitingRuns(executor)[0]!);
      executor.runs[0]!.pass();
      await turns();
    }
    await Promise.all([first, ...others]);
    expect(order).toEqual([1, 3, 2, 4]);
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

  test('of an answered request nothing is left among the objects that only a whole collection looks at', async () => {
    const { executor, enqueue } = setUp({ maxBatchSize: 32 });
    executor.depth = 2;
    const oldBytes = () =>
      getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')!.space_used_size;
    const answerAll = async (requests: number) => {
      for (let i = 0; i < requests; i += 32) {
        const answers = Array.from({ length: 32 }, () => enqueue([1]));
        await turn();
        while (executor.runs.length > 0) executor.runs[0]!.pass();
        await Promise.all(answers);
      }
    };
    await answerAll(3200);
    // Whatever is there in a quiet moment becomes old.
    for (let i = 0; i < 1_000_000; i++) Array.of(i, i, i, i);
    const before = oldBytes();
    await answerAll(16_000);
    expect((oldBytes() - before) / 16_000).toBeLessThan(150);
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
