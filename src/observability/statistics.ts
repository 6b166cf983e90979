// The statistics extension: what a model version has done since it was loaded, in the words of the protocol. Requests and
// rows are counted, times are sums in nanoseconds.

/** A number of events and their time together. */
interface Duration {
  count: number;
  ns: number;
}

interface BatchDurations {
  batch_size: number;
  compute_input: Duration;
  compute_infer: Duration;
  compute_output: Duration;
}

/** A finished run; times in milliseconds. */
export interface ExecutedBatch {
  readonly rows: number;
  /** How long each request of the batch had waited. */
  readonly queueMs: readonly number[];
  readonly inputMs: number;
  readonly computeMs: number;
  readonly outputMs: number;
}

export class ModelStatistics {
  #lastInference = 0;
  #rows = 0;
  #executions = 0;
  #success = none();
  #fail = none();
  #queue = none();
  #input = none();
  #infer = none();
  #output = none();
  #batches = new Map<number, BatchDurations>();

  requestAnswered(outcome: string, ms: number): void {
    add(outcome === 'ok' ? this.#success : this.#fail, 1, ms);
  }

  /** @param epochMs the time of day, milliseconds since 1970 */
  batchExecuted({ rows, queueMs, inputMs, computeMs, outputMs }: ExecutedBatch, epochMs: number): void {
    const requests = queueMs.length;
    this.#lastInference = epochMs;
    this.#rows += rows;
    this.#executions++;
    for (const wait of queueMs) add(this.#queue, 1, wait);
    // Each request of a batch spent the batch's whole time in it.
    add(this.#input, requests, inputMs * requests);
    add(this.#infer, requests, computeMs * requests);
    add(this.#output, requests, outputMs * requests);
    let batch = this.#batches.get(rows);
    if (!batch) {
      batch = { batch_size: rows, compute_input: none(), compute_infer: none(), compute_output: none() };
      this.#batches.set(rows, batch);
    }
    add(batch.compute_input, 1, inputMs);
    add(batch.compute_infer, 1, computeMs);
    add(batch.compute_output, 1, outputMs);
  }

  /** One entry of `model_stats`; every member that clients index without checking is there. */
  report(name: string, version: string) {
    return {
      name,
      version,
      last_inference: this.#lastInference,
      inference_count: this.#rows,
      execution_count: this.#executions,
      inference_stats: {
        success: this.#success,
        fail: this.#fail,
        queue: this.#queue,
        compute_input: this.#input,
        compute_infer: this.#infer,
        compute_output: this.#output,
        cache_hit: none(),
        cache_miss: none(),
      },
      response_stats: {},
      batch_stats: [...this.#batches.values()].sort((a, b) => a.batch_size - b.batch_size),
      memory_usage: [],
    };
  }
}

function none(): Duration {
  return { count: 0, ns: 0 };
}

function add(duration: Duration, count: number, ms: number): void {
  duration.count += count;
  duration.ns += Math.round(ms * 1e6);
}
