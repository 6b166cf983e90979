// Every metric, declared once. Labels come only from configured models and fixed lists, never from a request.

import { collectDefaultMetrics, Registry } from 'prom-client';
import { HistogramFamily, type MetricsSnapshot, ScalarFamily } from './tally.ts';

const MODEL = ['model', 'version'] as const;
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const RATIOS = [0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1];
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Name, kind, help and labels of each metric; the README's table is generated from it. */
export const METRICS = {
  ortlet_request_duration_seconds: {
    kind: 'histogram',
    help: 'Time from the body to the answer',
    labels: MODEL,
    buckets: SECONDS,
  },
  ortlet_queue_duration_seconds: {
    kind: 'histogram',
    help: 'Time a request waited for its run',
    labels: MODEL,
    buckets: SECONDS,
  },
  ortlet_compute_duration_seconds: {
    kind: 'histogram',
    help: 'Time of one run inside onnxruntime',
    labels: MODEL,
    buckets: SECONDS,
  },
  ortlet_batch_rows: { kind: 'histogram', help: 'Rows of one run', labels: MODEL, buckets: ROWS },
  ortlet_requests_total: {
    kind: 'counter',
    help: 'Requests answered, by outcome: `ok` or an error code',
    labels: [...MODEL, 'outcome'],
  },
  ortlet_batches_total: {
    kind: 'counter',
    help: 'Runs, by the reason for which the batch was sent',
    labels: [...MODEL, 'reason'],
  },
  ortlet_batch_padding_ratio: {
    kind: 'histogram',
    help: 'Share of a run that was padding',
    labels: MODEL,
    buckets: RATIOS,
  },
  ortlet_prediction_error_ratio: {
    kind: 'histogram',
    help: 'How far the predicted time of a run was off, as a share of its real time',
    labels: MODEL,
    buckets: RATIOS,
  },
  ortlet_late_runs_total: {
    kind: 'counter',
    help: 'Requests whose run began after their deadline; there should be none',
    labels: MODEL,
  },
  ortlet_batch_failures_total: { kind: 'counter', help: 'Runs that failed', labels: MODEL },
  ortlet_engine_exits_total: {
    kind: 'counter',
    help: 'Engine processes that ended by themselves or were killed',
    labels: MODEL,
  },
  ortlet_engine_recycles_total: {
    kind: 'counter',
    help: 'Engine processes replaced by fresh ones because they held more than `maxEngineBytes`',
    labels: MODEL,
  },
  ortlet_error_responses_total: {
    kind: 'counter',
    help: 'Error answers of every route, by error code',
    labels: ['code'],
  },
  ortlet_queue_depth: { kind: 'gauge', help: 'Requests waiting', labels: MODEL },
  ortlet_requests_in_flight: { kind: 'gauge', help: 'Requests running', labels: MODEL },
  ortlet_engines: {
    kind: 'gauge',
    help: 'Engine processes, by state: `ready` or `starting`',
    labels: [...MODEL, 'state'],
  },
  ortlet_model_state: {
    kind: 'gauge',
    help: '1 for the state a model version is in, 0 for the others',
    labels: [...MODEL, 'state'],
    // Of several replicas: 1 for each state that it is in anywhere.
    aggregator: 'max',
  },
  ortlet_uncaught_errors_total: {
    kind: 'counter',
    help: 'Errors that nobody caught; the process ends after the first',
    labels: [],
  },
  ortlet_log_lines_dropped_total: {
    kind: 'counter',
    help: 'Log lines that could not be written: nobody reads them, or the disk is full',
    labels: [],
  },
  ortlet_replicas: {
    kind: 'gauge',
    help: 'With `replicas`: server processes, by state: `ready`, `starting` or `retiring`',
    labels: ['state'],
  },
  ortlet_replica_exits_total: {
    kind: 'counter',
    help: 'With `replicas`: server processes that ended by themselves or were killed',
    labels: [],
  },
} as const satisfies Record<
  string,
  {
    kind: 'histogram' | 'counter' | 'gauge';
    help: string;
    labels: readonly string[];
    buckets?: number[];
    aggregator?: 'max';
  }
>;

type MetricName = keyof typeof METRICS;

export class Metrics {
  #registry = new Registry();
  #histograms = new Map<MetricName, HistogramFamily>();
  #scalars = new Map<MetricName, ScalarFamily>();
  #uncaught: { value: number };
  #dropped: { value: number };
  #droppedLines: () => number;

  /** @param droppedLines log lines that could not be written so far */
  constructor(droppedLines: () => number = () => 0) {
    this.#droppedLines = droppedLines;
    collectDefaultMetrics({ register: this.#registry });
    for (const [key, metric] of Object.entries(METRICS)) {
      const name = key as MetricName;
      if (metric.kind === 'histogram')
        this.#histograms.set(name, new HistogramFamily({ name, ...metric }, this.#registry));
      else this.#scalars.set(name, new ScalarFamily({ name, ...metric }, this.#registry));
    }
    this.#uncaught = this.#scalars.get('ortlet_uncaught_errors_total')!.child({});
    this.#dropped = this.#scalars.get('ortlet_log_lines_dropped_total')!.child({});
  }

  /** The metrics of one model version; made once when the version is loaded. */
  forModel(model: string, version: string): ModelMetrics {
    const labels = { model, version };
    const distribution = (name: MetricName) => this.#histograms.get(name)!.child(labels);
    const tally = (name: MetricName, more = {}) => this.#scalars.get(name)!.child({ ...labels, ...more });
    const requestSeconds = distribution('ortlet_request_duration_seconds');
    const queueSeconds = distribution('ortlet_queue_duration_seconds');
    const computeSeconds = distribution('ortlet_compute_duration_seconds');
    const batchRows = distribution('ortlet_batch_rows');
    // Counters begin at 0, not at their first event, which increase() and rate() would not see.
    const answered = tally('ortlet_requests_total', { outcome: 'ok' });
    const batches = new Map<string, { value: number }>();
    const batchesOf = (reason: string) => {
      const known = batches.get(reason);
      if (known) return known;
      const added = tally('ortlet_batches_total', { reason });
      batches.set(reason, added);
      return added;
    };
    const padding = distribution('ortlet_batch_padding_ratio');
    const predictionError = distribution('ortlet_prediction_error_ratio');
    const lateRuns = tally('ortlet_late_runs_total');
    const failures = tally('ortlet_batch_failures_total');
    const exits = tally('ortlet_engine_exits_total');
    const recycles = tally('ortlet_engine_recycles_total');
    const depth = tally('ortlet_queue_depth');
    const running = tally('ortlet_requests_in_flight');
    return {
      requestAnswered(outcome, seconds) {
        requestSeconds.observe(seconds);
        (outcome === 'ok' ? answered : tally('ortlet_requests_total', { outcome })).value++;
      },
      batchExecuted({ rows, queueMs, computeMs, reason, engineMs, predictedMs, padding: padded, late }) {
        for (const wait of queueMs) queueSeconds.observe(wait / 1000);
        computeSeconds.observe(computeMs / 1000);
        batchRows.observe(rows);
        padding.observe(padded);
        if (predictedMs > 0) predictionError.observe(Math.abs(predictedMs - engineMs) / engineMs);
        lateRuns.value += late;
        batchesOf(reason).value++;
      },
      batchFailed() {
        failures.value++;
      },
      engineExited() {
        exits.value++;
      },
      engineRecycled() {
        recycles.value++;
      },
      queueChanged(waiting, inRuns) {
        depth.value = waiting;
        running.value = inRuns;
      },
      enginesChanged(ready, starting) {
        tally('ortlet_engines', { state: 'ready' }).value = ready;
        tally('ortlet_engines', { state: 'starting' }).value = starting;
      },
      stateChanged(current, states) {
        for (const state of states) tally('ortlet_model_state', { state }).value = state === current ? 1 : 0;
      },
    };
  }

  errorAnswered(code: string): void {
    this.#scalars.get('ortlet_error_responses_total')!.child({ code }).value++;
  }

  errorUncaught(): void {
    this.#uncaught.value++;
  }

  /** Of the supervisor alone, as those that follow it. */
  replicasChanged(ready: number, starting: number, retiring: number): void {
    const replicas = this.#scalars.get('ortlet_replicas')!;
    for (const [state, count] of Object.entries({ ready, starting, retiring })) replicas.child({ state }).value = count;
    // Counted from the start on: increase() does not see a series that begins at 1.
    this.#scalars.get('ortlet_replica_exits_total')!.child({});
  }

  replicaExited(): void {
    this.#scalars.get('ortlet_replica_exits_total')!.child({}).value++;
  }

  /** Every metric at this moment, to be joined with those of other processes. */
  async measure(): Promise<MetricsSnapshot> {
    this.#dropped.value = this.#droppedLines();
    return (await this.#registry.getMetricsAsJSON()) as unknown as MetricsSnapshot;
  }

  /** Prometheus text format 0.0.4. */
  render(): Promise<string> {
    this.#dropped.value = this.#droppedLines();
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

/** A finished run; times in milliseconds, `padding` a share from 0. */
interface ExecutedBatch {
  readonly rows: number;
  readonly queueMs: readonly number[];
  readonly computeMs: number;
  readonly reason: string;
  readonly engineMs: number;
  readonly predictedMs: number;
  readonly padding: number;
  readonly late: number;
}

export interface ModelMetrics {
  /** @param outcome `ok` or an error code */
  requestAnswered(outcome: string, seconds: number): void;
  batchExecuted(batch: ExecutedBatch): void;
  batchFailed(): void;
  engineExited(): void;
  engineRecycled(): void;
  queueChanged(waiting: number, running: number): void;
  enginesChanged(ready: number, starting: number): void;
  stateChanged(current: string, states: readonly string[]): void;
}
