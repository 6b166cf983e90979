// A client's batch that is larger than a run may be: cut into runs, which may go to several engines, and joined again.

import type { CancelSignal, InferenceContext } from '../inference.ts';
import { joinRows, rowsOf, splitRows } from '../tensor/rows.ts';
import type { NamedTensors } from '../tensor/tensor.ts';
import type { ScheduledResult, Scheduler } from './scheduler.ts';

/** Parts of one client in the queue at a time: enough for the engines, and others get their turn in between. */
const MOST_QUEUED = 8;

export class ClientBatchSplitter implements Scheduler {
  readonly #scheduler: Scheduler;
  readonly #maxBatchSize: number;

  /** @param maxBatchSize rows of one run at most */
  constructor(scheduler: Scheduler, maxBatchSize: number) {
    this.#scheduler = scheduler;
    this.#maxBatchSize = maxBatchSize;
  }

  checkRoom(bytes: number): void {
    this.#scheduler.checkRoom(bytes);
  }

  get inFlight(): number {
    return this.#scheduler.inFlight;
  }

  get queued(): number {
    return this.#scheduler.queued;
  }

  enqueue(
    inputs: NamedTensors,
    outputs: readonly string[] | undefined,
    context: InferenceContext,
  ): Promise<ScheduledResult> {
    const rows = rowsOf(inputs);
    if (rows <= this.#maxBatchSize) return this.#scheduler.enqueue(inputs, outputs, context);
    return this.#enqueueParts(splitRows(inputs, evenParts(rows, this.#maxBatchSize)), outputs, context);
  }

  stop(): Promise<void> {
    return this.#scheduler.stop();
  }

  async #enqueueParts(
    parts: readonly NamedTensors[],
    outputs: readonly string[] | undefined,
    context: InferenceContext,
  ): Promise<ScheduledResult> {
    const signal = new PartSignal(context.signal.aborted);
    // Not written where it is assigned, as in dynamic-batcher.ts.
    const cancel = () => signal.abort();
    context.signal.onabort = cancel;
    const results: ScheduledResult[] = [];
    const left = parts.entries();
    const worker = async () => {
      for (const [i, part] of left) {
        results[i] = await this.#scheduler.enqueue(part, outputs, { ...context, signal: signal.child() });
      }
    };
    try {
      await Promise.all(Array.from({ length: MOST_QUEUED }, worker));
      return { outputs: joinRows(results.map((result) => result.outputs)), timings: summarise(results) };
    } catch (error) {
      // One part failed: what is left of the others is of no use to anyone.
      signal.abort();
      throw error;
    }
  }
}

/** Parts of nearly equal size, so that the last one is not a small rest. */
function evenParts(rows: number, most: number): number[] {
  const count = Math.ceil(rows / most);
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 1) * rows) / count) - Math.floor((i * rows) / count));
}

/** The wait of the part that waited longest, the runs' times together, the largest run. */
function summarise(results: readonly ScheduledResult[]): ScheduledResult['timings'] {
  const timings = results.map((result) => result.timings);
  return {
    queueMs: Math.max(...timings.map(({ queueMs }) => queueMs)),
    computeMs: timings.reduce((sum, { computeMs }) => sum + computeMs, 0),
    batchRows: Math.max(...timings.map(({ batchRows }) => batchRows)),
    dispatchReason: timings[0]!.dispatchReason,
  };
}

/** The client's signal for each of the parts that are in the queue. */
class PartSignal {
  #children = new Set<CancelSignal & { aborted: boolean }>();
  #aborted: boolean;

  constructor(aborted: boolean) {
    this.#aborted = aborted;
  }

  child(): CancelSignal {
    const child = { aborted: this.#aborted, onabort: null };
    this.#children.add(child);
    return child;
  }

  abort(): void {
    this.#aborted = true;
    for (const child of this.#children) {
      child.aborted = true;
      child.onabort?.();
    }
  }
}
