// Who is let into one model's queue: admission.ts judges by what stands here, the queue, the runs in progress and the engines.

import { ServingError } from '../errors.ts';
import type { Executor } from '../execution/executor.ts';
import { expectedWaitMs, type QueueLimits, type QueueLoad, type Refusal, refuse, refuseIfFull } from './admission.ts';
import type { CostModel } from './cost-model.ts';
import { Demand } from './demand.ts';
import { type Entry, MEMORY_OF_A_BYTE } from './queue-entry.ts';
import type { RequestQueue } from './request-queue.ts';

export interface AdmissionOptions extends QueueLimits {
  readonly batchable: boolean;
  /** Rows of one run at most. */
  readonly maxBatchSize: number;
  /** What runs cost, as far as it is known. */
  readonly costs: CostModel;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

export class AdmissionControl {
  readonly #options: AdmissionOptions;
  readonly #executor: Executor;
  readonly #queue: RequestQueue<Entry>;
  readonly #running: QueueLoad['running'];
  readonly #demand = new Demand();
  #longest = 1;

  constructor(
    options: AdmissionOptions,
    executor: Executor,
    queue: RequestQueue<Entry>,
    running: QueueLoad['running'],
  ) {
    this.#options = options;
    this.#executor = executor;
    this.#queue = queue;
    this.#running = running;
  }

  /** Length of the longest request that was let in. */
  get longest(): number {
    return this.#longest;
  }

  /** Largest work of one run, as far as is known. */
  get maxWork(): number {
    const { batchable, maxBatchSize, costs } = this.#options;
    return batchable ? costs.limit(maxBatchSize * this.#longest) : this.#longest;
  }

  /** Whether more waits than one run takes. */
  get backlog(): boolean {
    return this.#queue.work > this.maxWork;
  }

  /** @throws ServingError QUEUE_FULL where a request of so many bytes would not be let in */
  checkRoom(bytes: number): void {
    const now = this.#options.now();
    throwRefusal(refuseIfFull(MEMORY_OF_A_BYTE * bytes, this.#load(now), this.#options, this.#options.costs, now));
  }

  /** @throws ServingError QUEUE_FULL, QUEUE_TIMEOUT or DEADLINE_UNREACHABLE where it is not let in */
  admit(entry: Entry, now: number): void {
    this.#demand.asked(now, entry.work);
    throwRefusal(refuse(entry, this.#load(now), this.#options, this.#options.costs, now));
    this.#longest = Math.max(this.#longest, entry.length);
  }

  /** Until the engines have done what they run and what waits, in milliseconds. */
  expectedWaitMs(): number {
    const now = this.#options.now();
    return expectedWaitMs(this.#load(now), this.#options.costs, now);
  }

  #load(now: number): QueueLoad {
    const { length, bytes, work } = this.#queue;
    return {
      requests: length,
      bytes,
      work,
      running: this.#running,
      engines: this.#executor.engines,
      maxWork: this.maxWork,
      demand: this.#demand.perMs(now),
      workBehind: (dueAt) => this.#queue.workBehind(dueAt),
      firstDeadline: () => this.#queue.firstDeadline(),
    };
  }
}

function throwRefusal(refusal: Refusal | undefined): void {
  if (refusal) throw new ServingError(refusal.code, refusal.message, refusal);
}
