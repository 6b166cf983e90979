// One replica seen from the supervisor: spawned, started, asked, ended.

import cluster, { type Worker } from 'node:cluster';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Settings } from '../config/schema.ts';
import type { MetricsSnapshot } from '../observability/tally.ts';
import type { StartOrder } from '../server.ts';
import type { Serving, ToReplica, ToSupervisor } from './messages.ts';

// In development the child runs the same .ts file by type stripping, in dist the compiled .js.
const ENTRY = fileURLToPath(new URL(`./replica${extname(import.meta.url)}`, import.meta.url));
/** A replica that does not say in this time what it has counted is taken by its word of last time. */
const MEASURE_LIMIT_MS = 1000;
/** Beyond the limits that a replica keeps itself: then it is taken for hung. */
const STOP_MARGIN_MS = 10_000;

/** What a replica asks of the supervisor. */
export interface ReplicaListener {
  onProgress(done: number, total: number): void;
  /** @returns the metrics of all replicas */
  onScrape(): Promise<string>;
}

export class ReplicaProcess {
  readonly place: number;
  /** Settles when the process has gone, with a sentence that says how. */
  readonly exited: Promise<string>;
  /** What it said last about what it has counted. */
  measured: MetricsSnapshot = [];
  #worker: Worker;
  #listener: ReplicaListener;
  #serving = Promise.withResolvers<Serving>();
  #stopped: boolean | undefined;
  #waiting = new Map<number, () => void>();
  #nextId = 1;

  constructor(place: number, listener: ReplicaListener) {
    this.place = place;
    this.#listener = listener;
    // The kernel gives a connection to whoever accepts first: a busy replica leaves it to an idle one.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    // `advanced` keeps numbers that JSON does not know, NaN among the metrics.
    cluster.setupPrimary({ exec: ENTRY, args: [], serialization: 'advanced' });
    this.#worker = cluster.fork();
    this.#worker.on('message', (message: ToSupervisor) => void this.#receive(message));
    this.exited = new Promise((resolve) => {
      this.#worker.once('error', (error) => resolve(`failed: ${error.message}`));
      this.#worker.once('exit', (code, signal) =>
        resolve(signal ? `was killed by ${signal}` : `exited with code ${code}`),
      );
    });
    this.exited.then((how) => this.#serving.reject(new Error(`The replica ${how}.`)));
    this.#serving.promise.catch(() => {});
  }

  get pid(): number | undefined {
    return this.#worker.process.pid;
  }

  /** Resolves when it listens and has tried its models. @throws what it could not start for, with its `code` */
  start(settings: Settings, order: StartOrder): Promise<Serving> {
    this.#send({ kind: 'start', settings, place: this.place, order });
    return this.#serving.promise;
  }

  /** Resolves with what it has counted; with what it said last, when it does not answer in time. */
  async measure(): Promise<MetricsSnapshot> {
    const id = this.#nextId++;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.set(id, resolve);
    const limit = setTimeout(resolve, MEASURE_LIMIT_MS);
    this.#send({ kind: 'measure', id });
    await Promise.race([promise, this.exited]);
    clearTimeout(limit);
    this.#waiting.delete(id);
    return this.measured;
  }

  /**
   * Ends it after what is inside has been answered; with `retire` each connection gets its last answer before.
   * @returns false when something was cut short
   */
  async end(how: 'retire' | 'stop', { drainTimeoutMs, shutdownDelayMs }: Settings): Promise<boolean> {
    const before = how === 'retire' ? drainTimeoutMs : shutdownDelayMs;
    const limit = setTimeout(() => this.kill(), before + drainTimeoutMs + STOP_MARGIN_MS);
    this.#send({ kind: how });
    await this.exited;
    clearTimeout(limit);
    return this.#stopped ?? false;
  }

  /** Ends the shutdown delay. */
  hurry(): void {
    this.#send({ kind: 'hurry' });
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL');
  }

  async #receive(message: ToSupervisor): Promise<void> {
    switch (message.kind) {
      case 'progress':
        return this.#listener.onProgress(message.done, message.total);
      case 'serving':
        return this.#serving.resolve(message);
      case 'failed':
        this.#serving.reject(Object.assign(new Error(message.message), { code: message.code }));
        return this.kill();
      case 'scrape':
        return this.#send({ kind: 'scraped', id: message.id, text: await this.#listener.onScrape() });
      case 'measured':
        this.measured = message.metrics;
        return this.#waiting.get(message.id)?.();
      case 'stopped':
        this.measured = message.metrics;
        this.#stopped = message.complete;
        this.#worker.disconnect();
    }
  }

  #send(message: ToReplica): void {
    // One that has just gone is told by its exit.
    if (this.#worker.isConnected()) this.#worker.send(message, () => {});
  }
}
