// Obeys batch-policy.ts: keeps the queue, forms a batch whenever an engine can take one, and answers every request
// exactly once, whatever happens to its batch.

import { ServingError } from '../errors.ts';
import { type ExecutionResult, type Executor, NotStartedError } from '../execution/executor.ts';
import type { InferenceContext } from '../inference.ts';
import { giveBackTensors } from '../tensor/memory.ts';
import type { PaddingPlan } from '../tensor/padding.ts';
import { freeAxesOf, ShapeKeys } from '../tensor/rows.ts';
import type { NamedTensors } from '../tensor/tensor.ts';
import { AdmissionControl, type AdmissionOptions } from './admission-control.ts';
import { cancelled, failed, killedTwice, lateInQueue, lateInRun, unavailable, unloading } from './answers.ts';
import { Arrivals } from './arrivals.ts';
import { Batch } from './batch.ts';
import type { BatchObserver } from './batch-observer.ts';
import { EXPLORE_EVERY, hopeless, nextBatch } from './batch-policy.ts';
import type { CoreShare, CoreUser } from './core-share.ts';
import type { CostModel } from './cost-model.ts';
import { Deadlines } from './deadlines.ts';
import { Isolation } from './isolation.ts';
import type { Occasion } from './policy-state.ts';
import { PumpTimer } from './pump-timer.ts';
import { createEntry, type Entry, type Shapes } from './queue-entry.ts';
import { RequestQueue } from './request-queue.ts';
import { expectedEnd, type Run } from './run.ts';
import type { ScheduledResult, Scheduler } from './scheduler.ts';
import { windowMs } from './waiting.ts';

export interface DynamicBatcherOptions extends AdmissionOptions {
  /** How requests of different lengths may share a run; undefined: they may not. */
  readonly padding?: PaddingPlan | undefined;
  /** Longest time a request may wait for an engine, whatever its deadline; undefined: until its deadline. */
  readonly queueTimeoutMs?: number | undefined;
  readonly cores: CoreShare;
  /** Threads of one run; 0: it takes no cores. */
  readonly threads: number;
}

export class DynamicBatcher implements Scheduler {
  readonly #executor: Executor;
  readonly #options: DynamicBatcherOptions;
  readonly #observer: BatchObserver;
  readonly #queue = new RequestQueue<Entry>();
  readonly #costs: CostModel;
  readonly #shapes: Shapes;
  readonly #arrivals = new Arrivals();
  readonly #isolation = new Isolation();
  readonly #deadlines: Deadlines<Entry>;
  readonly #user: CoreUser;
  readonly #running: Run[] = [];
  readonly #admission: AdmissionControl;
  readonly #timer: PumpTimer;
  #inFlight = 0;
  #batches = 0;
  #engineWasIdle = true;
  #waitingSince: number | undefined;
  #stopped: PromiseWithResolvers<void> | undefined;

  constructor(executor: Executor, options: DynamicBatcherOptions, observer: BatchObserver) {
    this.#executor = executor;
    this.#options = options;
    this.#observer = observer;
    this.#costs = options.costs;
    this.#shapes = { axes: freeAxesOf(executor.signature), keys: new ShapeKeys() };
    this.#admission = new AdmissionControl(options, executor, this.#queue, this.#running);
    this.#timer = new PumpTimer(() => this.#pump(), options.now);
    this.#deadlines = new Deadlines(
      options.now,
      () => this.#unanswered(),
      (entry) => this.#settle(entry, this.#late(entry)),
    );
    this.#user = {
      threads: options.threads,
      wantsToStart: () => this.#queue.length > 0 && this.#running.length < executor.slots,
      start: () => this.#pump(),
    };
    options.cores.join(this.#user);
    executor.onChange(() => this.#enginesChanged());
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#queue.length;
  }

  checkRoom(bytes: number): void {
    this.#admission.checkRoom(bytes);
  }

  enqueue(
    inputs: NamedTensors,
    outputs: readonly string[] | undefined,
    context: InferenceContext,
  ): Promise<ScheduledResult> {
    return new Promise((resolve, reject) => {
      const now = this.#options.now();
      const entry = createEntry({ inputs, outputs, context, resolve, reject }, this.#options, this.#shapes, now);
      this.#refuse(entry, now);
      this.#isolation.admit(entry);
      // Not written where it is assigned: V8 makes such functions in its old space, and they hold what they see.
      const cancel = () => this.#settle(entry, cancelled());
      context.signal.onabort = cancel;
      this.#inFlight++;
      this.#arrivals.arrived(now, windowMs(this.#costs, entry.work));
      this.#deadlines.watch(entry);
      this.#queue.push(entry);
      this.#engineWasIdle = this.#running.length < this.#executor.engines;
      this.#timer.soon();
    });
  }

  stop(): Promise<void> {
    this.#stopped ??= Promise.withResolvers<void>();
    this.#finishIfStopped();
    return this.#stopped.promise;
  }

  /** Throws what keeps a request out. */
  #refuse(entry: Entry, now: number): void {
    if (entry.context.signal.aborted) throw cancelled();
    if (this.#stopped) throw unloading();
    if (this.#executor.failure) throw unavailable(this.#executor.failure);
    this.#admission.admit(entry, now);
  }

  *#unanswered(): Iterable<Entry> {
    yield* this.#queue;
    for (const { batch } of this.#running) yield* batch.entries;
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

  #pump(): void {
    this.#timer.pumped();
    while (this.#running.length < this.#executor.slots && this.#sendNext()) {}
    this.#report();
  }

  /** @returns whether a batch was sent */
  #sendNext(): boolean {
    const { batchable, cores, maxBatchSize } = this.#options;
    const now = this.#options.now();
    const occasion = this.#occasion();
    this.#dropHopeless(occasion, now);
    const state = {
      groups: this.#queue.groups(),
      occasion,
      backlog: this.#admission.backlog,
      now,
      costs: this.#costs,
      arrivals: this.#arrivals,
      waitingSince: this.#waitingSince,
      exploring: this.#batches % EXPLORE_EVERY === EXPLORE_EVERY - 1,
    };
    const decision = nextBatch(state, { batchable, maxBatchSize, maxLength: this.#admission.longest });
    if (!decision) return false;
    if (decision.waitUntil !== undefined) {
      this.#waitingSince ??= now;
      this.#timer.at(decision.waitUntil);
      return false;
    }
    const batch = new Batch(decision.requests, decision.reason, this.#options.padding);
    const aloneMs = this.#costs.aloneMs(batch.work);
    const startsAt = occasion === 'ahead' ? undefined : cores.startsAt(this.#user, aloneMs);
    if (startsAt !== undefined) {
      this.#timer.at(startsAt);
      return false;
    }
    this.#waitingSince = undefined;
    this.#batches++;
    for (const entry of batch.entries) this.#queue.remove(entry);
    const endsAt = expectedEnd(batch, occasion === 'ahead' ? this.#running : [], this.#costs, now);
    void this.#run({ batch, dispatchedAt: now, endsAt, cores: cores.started(this.#user, aloneMs) });
    return true;
  }

  /** Whoever stood behind one that is dropped may be hopeless too. */
  #dropHopeless(occasion: Occasion, now: number): void {
    for (;;) {
      const found = hopeless({ groups: this.#queue.groups(), occasion, now, costs: this.#costs });
      if (found.length === 0) return;
      for (const entry of found) this.#settle(entry, this.#late(entry));
    }
  }

  #report(): void {
    this.#observer.queueChanged(this.#queue.length, this.#inFlight - this.#queue.length);
  }

  #occasion(): Occasion {
    if (this.#running.length >= this.#executor.engines) return 'ahead';
    return this.#engineWasIdle ? 'idle' : 'slot_freed';
  }

  async #run(run: Run): Promise<void> {
    const { batch, dispatchedAt } = run;
    const { entries, beginBy } = batch;
    this.#running.push(run);
    for (const entry of entries) {
      entry.state = 'running';
      if (entry.deadlineAt === entry.context.deadlineAt) continue;
      entry.deadlineAt = entry.context.deadlineAt;
      this.#deadlines.watch(entry);
    }
    try {
      const inputs = batch.join();
      const inputMs = this.#options.now() - dispatchedAt;
      const result = await this.#executor.execute(inputs, { outputs: entries[0]!.outputs, beginBy });
      // Joined, they are nobody else's.
      if (entries.length > 1) giveBackTensors(inputs.values());
      this.#answer(run, result, inputMs);
    } catch (error) {
      if (error instanceof NotStartedError) this.#requeue(entries);
      else this.#recover(entries, failed(error));
    }
    this.#running.splice(this.#running.indexOf(run), 1);
    this.#engineWasIdle = false;
    // Whoever has something to run may start now: others too, where cores are short.
    run.cores.end();
    this.#report();
  }

  #answer({ batch, dispatchedAt, cores }: Run, result: ExecutionResult, inputMs: number): void {
    const { entries, rows, reason, work } = batch;
    const { outputs, computeMs, engineMs, startedAt } = result;
    const receivedAt = this.#options.now();
    const queueMs = entries.map((entry) => dispatchedAt - entry.enqueuedAt);
    const parts = batch.split(outputs);
    const outputMs = this.#options.now() - receivedAt;
    const late = entries.filter((entry) => entry.context.deadlineAt < startedAt).length;
    const predictedMs = this.#costs.observe(work, engineMs, cores.crowded);
    this.#arrivals.answered(receivedAt, windowMs(this.#costs, work));
    this.#observer.batchExecuted({
      rows,
      queueMs,
      inputMs,
      computeMs,
      outputMs,
      reason,
      engineMs,
      predictedMs,
      padding: batch.paddingShare,
      late,
    });
    entries.forEach((entry, i) => {
      const timings = { queueMs: queueMs[i]!, computeMs, batchRows: rows, dispatchReason: reason };
      this.#settle(entry, { outputs: parts[i]!, timings });
    });
  }

  #recover(entries: readonly Entry[], error: ServingError): void {
    this.#observer.batchFailed();
    const { guilty, retries } = this.#isolation.recover(entries, error);
    const answer = error.code === 'ENGINE_FAILED' ? killedTwice(error) : error;
    for (const entry of guilty) this.#settle(entry, answer);
    for (const part of retries) this.#requeue(part);
  }

  #requeue(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.state === 'answered') continue;
      entry.state = 'waiting';
      this.#queue.push(entry);
    }
  }

  #late(entry: Entry): ServingError {
    return entry.state === 'running' ? lateInRun() : lateInQueue(this.#admission.expectedWaitMs());
  }

  #enginesChanged(): void {
    const { failure } = this.#executor;
    if (failure) {
      const error = unavailable(failure);
      for (const entry of [...this.#queue]) this.#settle(entry, error);
    }
    this.#timer.soon();
  }

  #finishIfStopped(): void {
    if (!this.#stopped || this.#inFlight > 0) return;
    this.#timer.end();
    this.#deadlines.end();
    this.#options.cores.leave(this.#user);
    this.#stopped.resolve();
  }
}
