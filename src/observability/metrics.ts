// Every metric, declared once. Labels come only from configured models and fixed lists, never from a request.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const MODEL = ['model', 'version'] as const;
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
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
  ortlet_batch_failures_total: { kind: 'counter', help: 'Runs that failed', labels: MODEL },
  ortlet_engine_exits_total: {
    kind: 'counter',
    help: 'Engine processes that ended by themselves or were killed',
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
  },
} as const satisfies Record<
  string,
  { kind: 'histogram' | 'counter' | 'gauge'; help: string; labels: readonly string[]; buckets?: number[] }
>;

type MetricName = keyof typeof METRICS;

export class Metrics {
  #registry = new Registry();
  #histograms = new Map<MetricName, Histogram>();
  #counters = new Map<MetricName, Counter>();
  #gauges = new Map<MetricName, Gauge>();

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    for (const [key, metric] of Object.entries(METRICS)) {
      const name = key as MetricName;
      const options = { name, help: metric.help, labelNames: [...metric.labels], registers: [this.#registry] };
      if (metric.kind === 'histogram')
        this.#histograms.set(name, new Histogram({ ...options, buckets: [...metric.buckets] }));
      else if (metric.kind === 'counter') this.#counters.set(name, new Counter(options));
      else this.#gauges.set(name, new Gauge(options));
    }
  }

  /** The metrics of one model version; made once when the version is loaded. */
  forModel(model: string, version: string): ModelMetrics {
    const labels = { model, version };
    const observe = (name: MetricName) => {
      const child = this.#histograms.get(name)!.labels(labels);
      return (value: number) => child.observe(value);
    };
    const count = (name: MetricName, more = {}) =>
      this.#counters
        .get(name)!
        .labels({ ...labels, ...more })
        .inc();
    const set = (name: MetricName, value: number, more = {}) =>
      this.#gauges
        .get(name)!
        .labels({ ...labels, ...more })
        .set(value);
    // A counter that begins at its first event hides that event from increase() and rate().
    for (const name of ['ortlet_engine_exits_total', 'ortlet_batch_failures_total'] as const) {
      this.#counters.get(name)!.labels(labels).inc(0);
    }
    this.#counters
      .get('ortlet_requests_total')!
      .labels({ ...labels, outcome: 'ok' })
      .inc(0);
    const observeRequest = observe('ortlet_request_duration_seconds');
    const observeQueue = observe('ortlet_queue_duration_seconds');
    const observeCompute = observe('ortlet_compute_duration_seconds');
    const observeRows = observe('ortlet_batch_rows');
    return {
      requestAnswered(outcome, seconds) {
        observeRequest(seconds);
        count('ortlet_requests_total', { outcome });
      },
      batchExecuted({ rows, queueMs, computeMs, reason }) {
        for (const wait of queueMs) observeQueue(wait / 1000);
        observeCompute(computeMs / 1000);
        observeRows(rows);
        count('ortlet_batches_total', { reason });
      },
      batchFailed: () => count('ortlet_batch_failures_total'),
      engineExited: () => count('ortlet_engine_exits_total'),
      queueChanged(waiting, running) {
        set('ortlet_queue_depth', waiting);
        set('ortlet_requests_in_flight', running);
      },
      enginesChanged(ready, starting) {
        set('ortlet_engines', ready, { state: 'ready' });
        set('ortlet_engines', starting, { state: 'starting' });
      },
      stateChanged(current, states) {
        for (const state of states) set('ortlet_model_state', state === current ? 1 : 0, { state });
      },
    };
  }

  errorAnswered(code: string): void {
    this.#counters.get('ortlet_error_responses_total')!.labels({ code }).inc();
  }

  /** Prometheus text format 0.0.4. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

export interface ModelMetrics {
  /** @param outcome `ok` or an error code */
  requestAnswered(outcome: string, seconds: number): void;
  batchExecuted(batch: { rows: number; queueMs: readonly number[]; computeMs: number; reason: string }): void;
  batchFailed(): void;
  engineExited(): void;
  queueChanged(waiting: number, running: number): void;
  enginesChanged(ready: number, starting: number): void;
  stateChanged(current: string, states: readonly string[]): void;
}
