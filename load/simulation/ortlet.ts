// Ortlet's scheduler in virtual time: the same policy, cost model, queue, admission, share of cores and recovery that serve.

import { refuse } from '../../src/batching/admission.ts';
import { Arrivals } from '../../src/batching/arrivals.ts';
import { EXPLORE_EVERY, hopeless, nextBatch } from '../../src/batching/batch-policy.ts';
import { type CoreRun, CoreShare, type CoreUser } from '../../src/batching/core-share.ts';
import { CostModel } from '../../src/batching/cost-model.ts';
import { Demand } from '../../src/batching/demand.ts';
import type { Occasion } from '../../src/batching/policy-state.ts';
import { PRIORITY_STEP_MS } from '../../src/batching/queue-entry.ts';
import { recover } from '../../src/batching/recovery.ts';
import { type QueuedRequest, RequestQueue } from '../../src/batching/request-queue.ts';
import { windowMs } from '../../src/batching/waiting.ts';
import type { Decision, Host, PolicyKind, SimulatedModel, SimulatedPolicy, SimulatedRequest } from './policy.ts';

const DEFAULT_TIMEOUT_MS = 30_000;
const QUEUE_LIMITS = { maxQueueRequests: 10_000, maxQueueBytes: Number.POSITIVE_INFINITY };

export const ORTLET: PolicyKind = {
  name: 'Ortlet',
  rule: 'Nothing is set; the batch curve is measured when the model is loaded.',
  create(host: Host) {
    const cores = new CoreShare(host.cores, host.now);
    return host.models.map((model, index) => new OrtletPolicy(model, cores, host, index));
  },
};

interface Entry extends QueuedRequest {
  readonly request: SimulatedRequest;
  enginesKilled: number;
}

class OrtletPolicy implements SimulatedPolicy {
  readonly #model: SimulatedModel;
  readonly #cores: CoreShare;
  readonly #user: CoreUser;
  readonly #now: () => number;
  readonly #queue = new RequestQueue<Entry>();
  readonly #costs: CostModel;
  readonly #arrivals = new Arrivals();
  readonly #demand = new Demand();
  #entries = new Map<SimulatedRequest, Entry>();
  #running: { readonly endsAt: number; readonly cores: CoreRun } | undefined;
  #engineWasIdle = true;
  #waitingSince: number | undefined;
  #batches = 0;
  #retries = 0;

  constructor(model: SimulatedModel, cores: CoreShare, { now, pump }: Host, index: number) {
    this.#model = model;
    this.#cores = cores;
    this.#now = now;
    this.#costs = new CostModel(measuredCurve(model), model.maxLength);
    this.#user = {
      threads: 1,
      wantsToStart: () => this.#queue.length > 0 && !this.#running,
      start: () => pump(index),
    };
    cores.join(this.#user);
  }

  arrived(request: SimulatedRequest): boolean {
    const { rows, length, shape, at, priority } = request;
    const deadlineAt = Math.min(request.deadlineAt, at + DEFAULT_TIMEOUT_MS);
    const dueAt = deadlineAt + priority * PRIORITY_STEP_MS;
    const key = `${shape} ${length}`;
    const work = rows * length;
    this.#demand.asked(at, work);
    if (refuse({ work, bytes: 0, dueAt, deadlineAt }, this.#load(at), QUEUE_LIMITS, this.#costs, at)) return false;
    const entry = {
      request,
      rows,
      length,
      key,
      family: shape,
      deadlineAt,
      dueAt,
      bytes: 0,
      retry: false,
      enginesKilled: 0,
    };
    this.#arrivals.arrived(at, windowMs(this.#costs, work));
    this.#entries.set(request, entry);
    this.#queue.push(entry);
    this.#engineWasIdle = !this.#running;
    return true;
  }

  next(drop: (request: SimulatedRequest) => void): Decision | undefined {
    const now = this.#now();
    const occasion: Occasion = this.#engineWasIdle ? 'idle' : 'slot_freed';
    this.#dropHopeless(occasion, drop);
    const state = {
      groups: this.#queue.groups(),
      occasion,
      backlog: this.#queue.work > this.#costs.limit(this.#model.maxBatchSize * this.#model.maxLength),
      now,
      costs: this.#costs,
      arrivals: this.#arrivals,
      waitingSince: this.#waitingSince,
      exploring: this.#batches % EXPLORE_EVERY === EXPLORE_EVERY - 1,
    };
    const { maxBatchSize, maxLength } = this.#model;
    const decision = nextBatch(state, { batchable: true, maxBatchSize, maxLength });
    if (!decision) return undefined;
    if (decision.waitUntil !== undefined) {
      this.#waitingSince ??= now;
      return decision;
    }
    const { requests: entries } = decision;
    const work = workOf(entries);
    const aloneMs = this.#costs.aloneMs(work);
    const startsAt = this.#cores.startsAt(this.#user, aloneMs);
    if (startsAt !== undefined) return { waitUntil: startsAt };
    this.#waitingSince = undefined;
    this.#batches++;
    for (const entry of entries) this.#queue.remove(entry);
    const endsAt = now + (this.#costs.knows(work) ? this.#costs.predictMs(work) : 0);
    this.#running = { endsAt, cores: this.#cores.started(this.#user, aloneMs) };
    return { requests: entries.map(({ request }) => request) };
  }

  ended(requests: readonly SimulatedRequest[], ms: number, failed: boolean): readonly SimulatedRequest[] {
    const entries = requests.map((request) => this.#entries.get(request)!);
    let guilty: readonly Entry[] = [];
    if (failed) {
      const recovery = recover(entries, 'INFERENCE_FAILED');
      guilty = recovery.guilty;
      for (const part of recovery.retries) this.#runAgain(part);
    } else {
      const work = workOf(entries);
      this.#costs.observe(work, ms, this.#running!.cores.crowded);
      this.#arrivals.answered(this.#now(), windowMs(this.#costs, work));
    }
    for (const { request } of failed ? guilty : entries) this.#entries.delete(request);
    const { cores } = this.#running!;
    this.#running = undefined;
    this.#engineWasIdle = false;
    cores.end();
    return guilty.map(({ request }) => request);
  }

  expired(request: SimulatedRequest): boolean {
    const entry = this.#entries.get(request);
    const before = this.#queue.length;
    if (entry) this.#queue.remove(entry);
    if (this.#queue.length === before) return false;
    this.#entries.delete(request);
    return true;
  }

  #load(now: number) {
    const { maxBatchSize, maxLength } = this.#model;
    return {
      requests: this.#queue.length,
      bytes: 0,
      work: this.#queue.work,
      running: this.#running ? [this.#running] : [],
      engines: 1,
      maxWork: this.#costs.limit(maxBatchSize * maxLength),
      demand: this.#demand.perMs(now),
      workBehind: (dueAt: number) => this.#queue.workBehind(dueAt),
      firstDeadline: () => this.#queue.firstDeadline(),
    };
  }

  #dropHopeless(occasion: Occasion, drop: (request: SimulatedRequest) => void): void {
    for (;;) {
      const found = hopeless({ groups: this.#queue.groups(), occasion, now: this.#now(), costs: this.#costs });
      if (found.length === 0) return;
      for (const entry of found) {
        this.#queue.remove(entry);
        this.#entries.delete(entry.request);
        drop(entry.request);
      }
    }
  }

  #runAgain(part: readonly Entry[]): void {
    const key = `retry ${++this.#retries}`;
    for (const entry of part) {
      Object.assign(entry, { key, family: key, retry: true });
      this.#queue.push(entry);
    }
  }
}

function workOf(entries: readonly Entry[]): number {
  let [rows, longest] = [0, 1];
  for (const entry of entries) {
    rows += entry.rows;
    longest = Math.max(longest, entry.length);
  }
  return rows * longest;
}

/** What the measurement at load finds: the powers of two and the maximum, of full length. */
function measuredCurve({ costMs, maxBatchSize, maxLength }: SimulatedModel) {
  const rows: number[] = [];
  for (let size = 1; size < maxBatchSize; size *= 2) rows.push(size);
  return [...rows, maxBatchSize].map((size) => ({ rows: size, ms: costMs(size * maxLength) }));
}
