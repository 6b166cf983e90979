// The metrics of a group of processes as those of one server: what each has counted is added up, and what Node says of
// a process is kept apart by the label `replica`.

import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from 'prom-client';
import { METRICS } from './metrics.ts';
import type { MetricsSnapshot } from './tally.ts';

/** Prometheus text of what all processes say together; families are joined by their own aggregator. */
export function renderTogether(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return together(snapshots).metrics();
}

/** What the server itself counts, without what Node says of its process. */
export function ownMetrics(snapshot: MetricsSnapshot): MetricsSnapshot {
  return snapshot.filter(({ name }) => name in METRICS);
}

/** A snapshot whose process metrics name the process they are of. */
export function labelled(snapshot: MetricsSnapshot, replica: string): MetricsSnapshot {
  return snapshot.map((metric) => {
    if (metric.name in METRICS) return metric;
    const values = metric.values.map((value) => ({ ...value, labels: { ...value.labels, replica } }));
    return { ...metric, aggregator: 'sum', values };
  });
}

/**
 * What stays of processes that have ended: counters and histograms. Without them a sum would fall, and Prometheus would
 * take it for a counter that began again at 0.
 */
export function lasting(snapshots: readonly MetricsSnapshot[]): MetricsSnapshot {
  const kept = snapshots.map((snapshot) =>
    ownMetrics(snapshot).filter(({ type }) => String(type) === 'counter' || String(type) === 'histogram'),
  );
  return together(kept).getMetricsAsArray() as unknown as MetricsSnapshot;
}

function together(snapshots: readonly MetricsSnapshot[]) {
  return AggregatorRegistry.aggregate(snapshots as MetricObjectWithValues<MetricValue<string>>[][]);
}
