// A group of replicas behind one port: started, replaced when they die, rolled one after the other, measured as one.
//
//   place 0  ── serving ──────────────── retiring ─▶ gone
//                          starting ──── serving ──────────…
//
// The first replica listens before its models are loaded, as a server alone does, so that health can be asked at once.
// Whoever comes while another one serves listens when its own models are loaded: who listens first is ready.

import { createServer as createListener } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Settings } from '../config/schema.ts';
import { restartDelayMs } from '../execution/restart-policy.ts';
import { labelled, lasting, ownMetrics, renderTogether } from '../observability/aggregation.ts';
import { droppedLines, type Logger } from '../observability/logger.ts';
import { Metrics } from '../observability/metrics.ts';
import type { MetricsSnapshot } from '../observability/tally.ts';
import type { StartOrder } from '../server.ts';
import type { Serving } from './messages.ts';
import { ReplicaProcess } from './replica-process.ts';

/** A replica that has served so long has not died of its start: requests have reached it. */
const STEADY_AFTER_MS = 1000;

interface Place {
  serving: ReplicaProcess | undefined;
  servingSince: number;
  /** Whether somebody sees to it that a replica will serve here. */
  filling: boolean;
  /** Deaths in a row, none of them after a steady time. */
  deaths: number;
}

export class Supervisor {
  #settings: Settings;
  #places: Place[];
  #logger: Logger;
  #metrics: Metrics;
  #starting = new Set<ReplicaProcess>();
  #retiring = new Set<ReplicaProcess>();
  /** What replicas that have gone had counted. */
  #departed: MetricsSnapshot = [];
  #closing = new AbortController();
  #rolls = Promise.resolve();
  #rollWaits = false;

  /** @param settings with the number of replicas under `replicas`, which each replica shares the processors by */
  constructor(settings: Settings & { readonly replicas: number }, logger: Logger) {
    this.#settings = settings;
    this.#logger = logger;
    this.#metrics = new Metrics(() => droppedLines(logger));
    this.#places = Array.from({ length: settings.replicas }, () => ({
      serving: undefined,
      servingSince: 0,
      filling: false,
      deaths: 0,
    }));
  }

  /**
   * Resolves when the first replica serves; the others follow.
   * @throws what the first replica cannot start for, with its `code`: a port in use, a folder that is not there
   */
  async start(onProgress: (done: number, total: number) => void = () => {}): Promise<Serving> {
    const { host, port } = this.#settings;
    if (port === 0) this.#settings = { ...this.#settings, port: await freePort(host) };
    const serving = await this.#launch(0, onProgress);
    for (const place of this.#places.keys()) if (place > 0) void this.#fill(place);
    return serving;
  }

  /** Replaces the replicas one after the other; called off when a new one is not ready, and the old ones serve on. */
  roll(): Promise<void> {
    if (this.#rollWaits) return this.#rolls;
    this.#rollWaits = true;
    this.#rolls = this.#rolls.then(async () => {
      this.#rollWaits = false;
      for (const place of this.#places.keys()) if (!(await this.#replace(place))) return;
      if (!this.#closing.signal.aborted) this.#logger.info({}, 'replicas rolled');
    });
    return this.#rolls;
  }

  /**
   * Ends every replica after what is inside has been answered; false when something was cut short.
   * @param hurry ends the shutdown delay
   */
  async stop(hurry?: AbortSignal): Promise<boolean> {
    this.#closing.abort();
    for (const replica of this.#starting) replica.kill();
    const serving = this.#places.flatMap((place) => place.serving ?? []);
    hurry?.addEventListener('abort', () => {
      for (const replica of serving) replica.hurry();
    });
    const ended = [...serving, ...this.#retiring].map((replica) => this.#end(replica, 'stop'));
    return (await Promise.all(ended)).every((complete) => complete);
  }

  /** Logs and counts an error that nobody caught; the process can only end well after one. */
  uncaught(error: unknown): void {
    this.#metrics.errorUncaught();
    this.#logger.fatal({ err: error }, 'uncaught error');
  }

  #end(replica: ReplicaProcess, how: 'retire' | 'stop'): Promise<boolean> {
    return replica.end(how, this.#settings);
  }

  /** Starts a replica and gives it its place. @throws when it could not start, or the end has begun */
  async #launch(index: number, onProgress: (done: number, total: number) => void = () => {}): Promise<Serving> {
    // Where nobody answers, health at least should; a server alone does the same.
    const alone = this.#places.every((place) => !place.serving);
    const { replica, serving } = await this.#spawn(index, alone ? 'listen first' : 'load first', onProgress);
    this.#admit(replica);
    return serving;
  }

  async #spawn(index: number, order: StartOrder, onProgress: (done: number, total: number) => void = () => {}) {
    const replica = new ReplicaProcess(index, { onProgress, onScrape: () => this.#render() });
    this.#starting.add(replica);
    this.#changed();
    try {
      const serving = await replica.start(this.#settings, order);
      this.#closing.signal.throwIfAborted();
      return { replica, serving };
    } finally {
      this.#starting.delete(replica);
      this.#changed();
    }
  }

  #admit(replica: ReplicaProcess): void {
    const place = this.#places[replica.place]!;
    place.serving = replica;
    place.servingSince = performance.now();
    this.#logger.info({ replica: replica.place, replicaPid: replica.pid }, 'replica started');
    void replica.exited.then((how) => this.#lost(replica, how));
    this.#changed();
  }

  #lost(replica: ReplicaProcess, how: string): void {
    const place = this.#places[replica.place]!;
    const retired = this.#retiring.delete(replica);
    if (!retired) place.serving = undefined;
    this.#departed = lasting([this.#departed, replica.measured]);
    if (!retired && !this.#closing.signal.aborted) {
      this.#died(place, replica, how, performance.now() - place.servingSince);
      void this.#fill(replica.place);
    }
    this.#changed();
  }

  #died(place: Place, replica: { place: number; pid?: number | undefined }, how: string, servedMs: number): void {
    place.deaths = servedMs >= STEADY_AFTER_MS ? 1 : place.deaths + 1;
    this.#metrics.replicaExited();
    this.#logger.error({ replica: replica.place, replicaPid: replica.pid, how, deaths: place.deaths }, 'replica lost');
  }

  /** Until a replica serves in this place. */
  async #fill(index: number): Promise<void> {
    const place = this.#places[index]!;
    if (place.filling) return;
    place.filling = true;
    const { signal } = this.#closing;
    while (!signal.aborted && !place.serving) {
      await delay(place.deaths === 0 ? 0 : restartDelayMs(place.deaths), undefined, { signal }).catch(() => {});
      if (signal.aborted) break;
      try {
        await this.#launch(index);
      } catch (error) {
        if (!signal.aborted) this.#died(place, { place: index }, (error as Error).message, 0);
      }
    }
    place.filling = false;
  }

  /** @returns false when the roll is not to go on */
  async #replace(index: number): Promise<boolean> {
    const place = this.#places[index]!;
    const { signal } = this.#closing;
    if (signal.aborted) return false;
    // What is being started anyway is new enough.
    if (place.filling || !place.serving) return true;
    place.filling = true;
    try {
      const { replica } = await this.#spawn(index, 'listen if ready');
      const old = place.serving as ReplicaProcess | undefined;
      if (old) this.#retiring.add(old);
      this.#admit(replica);
      if (old) await this.#end(old, 'retire');
      return true;
    } catch (error) {
      if (!signal.aborted) this.#logger.error({ replica: index, how: (error as Error).message }, 'roll called off');
      return false;
    } finally {
      place.filling = false;
      if (!place.serving && !signal.aborted) void this.#fill(index);
    }
  }

  async #render(): Promise<string> {
    const serving = this.#places.flatMap((place) => place.serving ?? []);
    // As it is now: one that goes while it is asked counts once.
    const departed = this.#departed;
    const snapshots = await Promise.all([
      ...serving.map(async (replica) => labelled(await replica.measure(), String(replica.place))),
      // Its place in the process metrics is its successor's.
      ...[...this.#retiring].map(async (replica) => ownMetrics(await replica.measure())),
    ]);
    return renderTogether([labelled(await this.#metrics.measure(), 'supervisor'), departed, ...snapshots]);
  }

  #changed(): void {
    const serving = this.#places.filter((place) => place.serving).length;
    this.#metrics.replicasChanged(serving, this.#starting.size, this.#retiring.size);
  }
}

/** A port that nobody listens on. */
function freePort(host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const listener = createListener().once('error', reject);
  listener.listen({ host, port: 0 }, () => {
    const { port } = listener.address() as { port: number };
    listener.close(() => resolve(port));
  });
  return promise;
}
