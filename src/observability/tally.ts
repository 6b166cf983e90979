// Counting on the way of every request: prom-client finds a child by hashing its labels at each observation, which cost
// 6 % of the server's time under load. A tally is found once, when a model is loaded, and counted with plain additions;
// prom-client still renders it.

import type { MetricObjectWithValues, MetricValue, Registry } from 'prom-client';

/** Every metric of one process at one moment, as prom-client hands it over. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}

interface Declaration {
  readonly name: string;
  readonly help: string;
  /** How the values of several processes become one. */
  readonly aggregator?: 'sum' | 'max';
}

/** A metric whose children are tallies, registered with prom-client in place of one of its own. */
abstract class TallyFamily<Child> {
  readonly name: string;
  readonly help: string;
  readonly aggregator: 'sum' | 'max';
  abstract readonly type: 'counter' | 'gauge' | 'histogram';
  readonly #children = new Map<string, { labels: Labels; child: Child }>();

  constructor({ name, help, aggregator = 'sum' }: Declaration, registry: Registry) {
    this.name = name;
    this.help = help;
    this.aggregator = aggregator;
    // prom-client asks a metric for no more than its name and get().
    registry.registerMetric(this as never);
  }

  /** The child with these labels, made at its first use. */
  child(labels: Labels): Child {
    const key = JSON.stringify(labels);
    let entry = this.#children.get(key);
    if (!entry) {
      entry = { labels, child: this.create() };
      this.#children.set(key, entry);
    }
    return entry.child;
  }

  /** What prom-client renders. */
  async get() {
    const values = [...this.#children.values()].flatMap(({ labels, child }) => this.samples(labels, child));
    return { name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values };
  }

  protected abstract create(): Child;
  protected abstract samples(labels: Labels, child: Child): Sample[];
}

/** One number: a counter's is added to, a gauge's is set. */
class Tally {
  value = 0;
}

export class ScalarFamily extends TallyFamily<Tally> {
  readonly type: 'counter' | 'gauge';

  constructor(declaration: Declaration & { readonly kind: 'counter' | 'gauge' }, registry: Registry) {
    super(declaration, registry);
    this.type = declaration.kind;
  }

  protected create(): Tally {
    return new Tally();
  }

  protected samples(labels: Labels, { value }: Tally): Sample[] {
    return [{ labels, value }];
  }
}

/** Counts of observations by bucket; `bounds` are inclusive upper ends in ascending order. */
class Distribution {
  readonly bounds: readonly number[];
  /** One more than the bounds: the last is for what lies above all of them. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    this.counts[bucket]!++;
    this.sum += value;
  }
}

export class HistogramFamily extends TallyFamily<Distribution> {
  readonly type = 'histogram';
  readonly #bounds: readonly number[];

  constructor(declaration: Declaration & { readonly buckets: readonly number[] }, registry: Registry) {
    super(declaration, registry);
    this.#bounds = declaration.buckets;
  }

  protected create(): Distribution {
    return new Distribution(this.#bounds);
  }

  protected samples(labels: Labels, { bounds, counts, sum }: Distribution): Sample[] {
    let count = 0;
    const buckets = [...bounds, '+Inf'].map((le, i): Sample => {
      count += counts[i]!;
      return { metricName: `${this.name}_bucket`, labels: { le: String(le), ...labels }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels, value: sum },
      { metricName: `${this.name}_count`, labels, value: count },
    ];
  }
}
