// Obeys batch-policy.ts: keeps the queue, forms a batch whenever an engine can take one, and answers every request
// exactly once, whatever happens to its batch.

import { ServingError } from '../errors.ts';
import { type ExecutionResult, type Executor, NotStartedError } from '../execution/executor.ts';
import type { DispatchReason, InferenceContext } from '../inference.ts';
import { joinRows, rowsOf, shapeKey, splitRows } from '../tensor/rows.ts';
import { byteLength, type NamedTensors } from '../tensor/tensor.ts';
import { type BatchPolicy, nextBatch, type Occasion } from './batch-policy.ts';
import { CostModel } from './cost-model.ts';
import { Deadlines } from './deadlines.ts';
import { type QueuedRequest, RequestQueue } from './request-queue.ts';
import type { ScheduledResult, Scheduler } from './scheduler.ts';

export interface DynamicBatcherOptions extends BatchPolicy {
  readonly maxQueueRequests: number;
  readonly maxQueueBytes: number;
  /** Longest time a request may wait for an engine, whatever its deadline; undefined: until its deadline. */
  readonly queueTimeoutMs?: number | undefined;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

/** Times in milliseconds: each request's wait, joining the batch, the run, cutting the outputs apart. */
interface FinishedBatch {
  readonly rows: number;
  readonly queueMs: readonly number[];
  readonly inputMs: number;
  readonly computeMs: number;
  readonly outputMs: number;
  readonly reason: DispatchReason;
}

/** Hears of every run and of the queue's length; for the metrics. */
export interface BatchObserver {
  batchExecuted(batch: FinishedBatch): void;
  batchFailed(): void;
  queueChanged(waiting: number, running: number): void;
}

/** A request whose engines died this often is not tried again. */
const MOST_ENGINES_KILLED = 2;

interface Entry extends QueuedRequest {
  readonly inputs: NamedTensors;
  readonly outputs: readonly string[] | undefined;
  readonly enqueuedAt: number;
  /** The request's own deadline, or the end of its wait if that is sooner. */
  deadlineAt: number;
  alone: boolean;
  enginesKilled: number;
  readonly context: InferenceContext;
  state: 'waiting' | 'running' | 'answered';
  readonly resolve: (result: ScheduledResult) => void;
  readonly reject: (error: ServingError) => void;
}

export class DynamicBatcher implements Scheduler {
  #executor: Executor;
  #options: DynamicBatcherOptions;
  #observer: BatchObserver;
  #queue = new RequestQueue<Entry>();
  #costs = new CostModel();
  #deadlines: Deadlines<Entry>;
  #running = new Set<readonly Entry[]>();
  #inFlight = 0;
  #engineWasIdle = true;
  #pumping: NodeJS.Immediate | undefined;
  #stopped: PromiseWithResolvers<void> | undefined;

  constructor(executor: Executor, options: DynamicBatcherOptions, observer: BatchObserver) {
    this.#executor = executor;
    this.#options = options;
    this.#observer = observer;
    this.#deadlines = new Deadlines(
      options.now,
      () => this.#unanswered(),
      (entry) => this.#settle(entry, this.#late(entry)),
    );
    executor.onChange(() => this.#enginesChanged());
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#queue.length;
  }

  enqueue(
    inputs: NamedTensors,
    outputs: readonly string[] | undefined,
    context: InferenceContext,
  ): Promise<ScheduledResult> {
    return new Promise((resolve, reject) => {
      const { now, batchable, queueTimeoutMs = Number.POSITIVE_INFINITY } = this.#options;
      const bytes = bytesOf(inputs);
      this.#refuse(bytes, context);
      const entry: Entry = {
        inputs,
        outputs,
        key: (outputs ? JSON.stringify(outputs) : '') + (batchable ? shapeKey(inputs) : ''),
        rows: batchable ? rowsOf(inputs) : 1,
        bytes,
        enqueuedAt: now(),
        deadlineAt: Math.min(context.deadlineAt, now() + queueTimeoutMs),
        alone: false,
        enginesKilled: 0,
        context,
        state: 'waiting',
        resolve,
        reject,
      };
      context.signal.onabort = () =>
        this.#settle(entry, new ServingError('CANCELLED', 'The client closed the connection.'));
      this.#inFlight++;
      this.#deadlines.watch(entry);
      this.#queue.push(entry);
      this.#engineWasIdle = this.#running.size < this.#executor.engines;
      // At the end of this turn of the event loop, so that requests which arrived together run together.
      this.#pumping ??= setImmediate(() => this.#pump());
    });
  }

  stop(): Promise<void> {
    this.#stopped ??= Promise.withResolvers<void>();
    this.#finishIfStopped();
    return this.#stopped.promise;
  }

  #refuse(bytes: number, { signal, deadlineAt }: InferenceContext): void {
    const { maxQueueRequests, maxQueueBytes, now } = this.#options;
    if (signal.aborted) throw new ServingError('CANCELLED', 'The client closed the connection.');
    if (this.#stopped)
      throw new ServingError('MODEL_NOT_READY', 'The model is being unloaded.', { retryAfterMs: 1000 });
    const { failure } = this.#executor;
    if (failure)
      throw new ServingError('MODEL_NOT_READY', `The model is unavailable: ${failure}.`, { retryAfterMs: 5000 });
    if (deadlineAt <= now())
      throw new ServingError('QUEUE_TIMEOUT', 'Request timeout expired before it could be queued.', {
        retryAfterMs: this.#expectedWaitMs(),
      });
    const full =
      this.#queue.length >= maxQueueRequests
        ? `${maxQueueRequests} requests wait already (maxQueueRequests)`
        : this.#queue.length > 0 && this.#queue.bytes + bytes > maxQueueBytes
          ? `the waiting requests hold ${maxQueueBytes} bytes already (maxQueueBytes)`
          : undefined;
    if (full) {
      const retryAfterMs = this.#expectedWaitMs();
      throw new ServingError('QUEUE_FULL', `Exceeds maximum queue size: ${full}. Retry later.`, { retryAfterMs });
    }
  }

  *#unanswered(): Iterable<Entry> {
    for (const group of this.#queue.groups()) yield* group;
    for (const batch of this.#running) yield* batch;
  }

  #settle(entry: Entry, answer: ScheduledResult | ServingError): void {
    if (entry.state === 'answered') return;
    if (entry.state === 'waiting') this.#queue.remove(entry);
    entry.state = 'answered';
    entry.context.signal.onabort = null;
    if (answer instanceof ServingError) entry.reject(answer);
    else entry.resolve(answer);
    this.#inFlight--;
    this.#report();
    this.#finishIfStopped();
  }

  #expectedWaitMs(): number {
    const { maxBatchSize } = this.#options;
    const batches = this.#queue.rows / maxBatchSize / Math.max(1, this.#executor.slots);
    return batches * this.#costs.predictMs(maxBatchSize);
  }

  #pump(): void {
    this.#pumping = undefined;
    while (this.#running.size < this.#executor.slots) {
      const decision = nextBatch(this.#queue.groups(), this.#options, this.#occasion());
      if (!decision) break;
      void this.#run(this.#queue.take(decision.group, decision.take), decision.reason);
    }
    this.#report();
  }

  #report(): void {
    this.#observer.queueChanged(this.#queue.length, this.#inFlight - this.#queue.length);
  }

  #occasion(): Occasion {
    if (this.#running.size >= this.#executor.engines) return 'ahead';
    return this.#engineWasIdle ? 'idle' : 'slot_freed';
  }

  async #run(entries: Entry[], reason: DispatchReason): Promise<void> {
    this.#running.add(entries);
    const dispatchedAt = this.#options.now();
    for (const entry of entries) {
      entry.state = 'running';
      if (entry.deadlineAt === entry.context.deadlineAt) continue;
      entry.deadlineAt = entry.context.deadlineAt;
      this.#deadlines.watch(entry);
    }
    try {
      const inputs = joinRows(entries.map((entry) => entry.inputs));
      const inputMs = this.#options.now() - dispatchedAt;
      const result = await this.#executor.execute(inputs, entries[0]!.outputs);
      this.#answer(entries, result, { dispatchedAt, inputMs, reason });
    } catch (error) {
      this.#observer.batchFailed();
      if (error instanceof NotStartedError) this.#requeue(entries);
      else this.#recover(entries, asServingError(error));
    }
    this.#running.delete(entries);
    this.#engineWasIdle = false;
    this.#pump();
  }

  #answer(
    entries: Entry[],
    { outputs, computeMs }: ExecutionResult,
    { dispatchedAt, inputMs, reason }: { dispatchedAt: number; inputMs: number; reason: DispatchReason },
  ): void {
    const rowCounts = entries.map((entry) => entry.rows);
    const rows = rowCounts.reduce((sum, count) => sum + count, 0);
    const queueMs = entries.map((entry) => dispatchedAt - entry.enqueuedAt);
    const receivedAt = this.#options.now();
    const parts = splitRows(outputs, rowCounts);
    const outputMs = this.#options.now() - receivedAt;
    this.#costs.observe(rows, computeMs);
    this.#observer.batchExecuted({ rows, queueMs, inputMs, computeMs, outputMs, reason });
    entries.forEach((entry, i) => {
      const timings = { queueMs: queueMs[i]!, computeMs, batchRows: rows, dispatchReason: reason };
      this.#settle(entry, { outputs: parts[i]!, timings });
    });
  }

  /** A failed batch runs again member by member, so that only the guilty request gets the error. */
  #recover(entries: Entry[], error: ServingError): void {
    const engineDied = error.code === 'ENGINE_FAILED' || error.code === 'DEADLINE_EXCEEDED';
    for (const entry of entries) {
      if (engineDied) entry.enginesKilled++;
      const retry = engineDied ? entry.enginesKilled < MOST_ENGINES_KILLED : entries.length > 1;
      if (!retry) this.#settle(entry, error);
      entry.alone = true;
    }
    this.#requeue(entries);
  }

  #requeue(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.state === 'answered') continue;
      entry.state = 'waiting';
      this.#queue.push(entry);
    }
  }

  #late(entry: Entry): ServingError {
    if (entry.state === 'running') {
      return new ServingError('DEADLINE_EXCEEDED', 'The deadline passed while the model ran. Allow more time.');
    }
    const retryAfterMs = this.#expectedWaitMs();
    return new ServingError('QUEUE_TIMEOUT', 'Request timeout expired while it waited for an engine.', {
      retryAfterMs,
    });
  }

  #enginesChanged(): void {
    const { failure } = this.#executor;
    if (failure) {
      const error = new ServingError('MODEL_NOT_READY', `The model is unavailable: ${failure}.`, {
        retryAfterMs: 5000,
      });
      for (const entry of [...this.#queue.groups()].flat()) this.#settle(entry, error);
    }
    this.#pumping ??= setImmediate(() => this.#pump());
  }

  #finishIfStopped(): void {
    if (this.#inFlight === 0) this.#stopped?.resolve();
  }
}

function bytesOf(inputs: NamedTensors): number {
  let bytes = 0;
  for (const tensor of inputs.values()) bytes += byteLength(tensor);
  return bytes;
}

function asServingError(error: unknown): ServingError {
  if (error instanceof ServingError) return error;
  return new ServingError('INTERNAL', 'Internal error while a batch ran. The log has the details.', { cause: error });
}
