// Composition root of the process.
//
//   socket ▶ http/app ▶ routes/infer ▶ codec ▶ serving/data-plane ▶ model ▶ batching ▶ execution ══▶ engine child
//
// Every part gets what it needs as arguments; nothing is global, so a test can run two servers in one process.

import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { CoreShare } from './batching/core-share.ts';
import { readCertificates } from './config/certificates.ts';
import type { Settings } from './config/schema.ts';
import { busyPolling } from './execution/busy-polling.ts';
import { coresOf, readCpuLimits, shareLimits } from './execution/cpu-plan.ts';
import { type App, createApp } from './http/app.ts';
import { readiness } from './http/routes/health.ts';
import { modelFileOf } from './model/config.ts';
import { loadModel, type ModelObserver, type Surroundings } from './model/loader.ts';
import type { Model } from './model/model.ts';
import { findSources, type ModelSource } from './model/source.ts';
import { createLogger, droppedLines, type Logger } from './observability/logger.ts';
import { Metrics } from './observability/metrics.ts';
import type { MetricsSnapshot } from './observability/tally.ts';
import { fingerprints } from './repository/fingerprint.ts';
import { type Fingerprints, Poller } from './repository/poller.ts';
import { isRetired, MODEL_STATES, Registry } from './repository/registry.ts';
import { isModelName, scanRepository } from './repository/repository.ts';
import { Admission } from './serving/admission.ts';
import { DataPlane } from './serving/data-plane.ts';
import { IdleTime } from './serving/idle-time.ts';

export interface Server {
  readonly app: FastifyInstance;
  readonly registry: Registry;
  /**
   * Listens and loads the models; resolves with the address when all have been tried.
   * @param order `listen first` by default
   * @throws ServingError MODEL_NOT_READY when it was to listen only if ready
   */
  start(onProgress?: (done: number, total: number) => void, order?: StartOrder): Promise<string>;
  /** Loads the models without listening. */
  load(onProgress?: (done: number, total: number) => void): Promise<void>;
  /**
   * Not ready at once, but serving for the shutdown delay; then takes no more, finishes what is inside and releases the
   * engines. False when the drain limit cut it short.
   * @param hurry ends the delay
   */
  stop(hurry?: AbortSignal): Promise<boolean>;
  /**
   * Accepts no connection any more, for others that listen on the same port, and serves those there are.
   * Resolves when all have gone, or at the drain limit, when the idle ones have been cut off.
   */
  retire(): Promise<void>;
  /**
   * Reads the certificates again, for connections to come. False when there are none to read.
   * @throws SettingsError when they are no good; those of before are kept
   */
  renewCertificates(): boolean;
  /** Logs and counts an error that nobody caught; the process can only end well after one. */
  uncaught(error: unknown): void;
  /** What this process has counted. */
  measure(): Promise<MetricsSnapshot>;
}

/** A request is on its way for less than this, from anywhere on earth; a server that nobody asks anything ends so late. */
const IDLE_PATIENCE_MS = 300;

export type StartOrder = 'listen first' | 'load first' | 'listen if ready';

/** What a process that is one of several gets from them. */
export interface ServerGroup {
  /** The metrics of all together, in Prometheus' text format. */
  renderMetrics(): Promise<string>;
}

/** @throws SettingsError for certificates that are no good */
export async function createServer(
  settings: Settings,
  logger: Logger = createLogger(settings.logLevel),
  group?: ServerGroup,
): Promise<Server> {
  const certificates = readCertificates(settings);
  const metrics = new Metrics(() => droppedLines(logger));
  const ended = new AbortController();
  const now = () => performance.now();
  const limits = shareLimits(readCpuLimits(), settings.replicas);
  const polling = busyPolling(coresOf(limits), now);
  const cores = new CoreShare(coresOf(limits), now);
  const surroundings = { limits, cores, polling, profiles: settings.profiles, ended: ended.signal };
  const registry = createRegistry(settings, metrics, logger, surroundings);
  const admission = new Admission(settings.maxInFlightBytes, polling && new IdleTime(polling, now));
  const dataPlane = new DataPlane(registry, admission);
  const renderMetrics = () => (group ?? { renderMetrics: () => metrics.render() }).renderMetrics();
  const parts = { dataPlane, registry, metrics, renderMetrics, logger, certificates, turns: polling };
  const { app, admin, connections, renewCertificates } = await createApp(parts, settings);

  return {
    app,
    registry,
    async load(onProgress) {
      registry.scan();
      await registry.loadAll(onProgress);
    },
    async start(onProgress, order = 'listen first') {
      registry.scan();
      const poller = settings.modelControl === 'poll' ? new Poller(look(settings), registry) : undefined;
      const listen = async () => {
        if (admin) logger.info({ address: await admin.listen() }, 'admin routes');
        return app.listen({ host: hostOf(settings), port: settings.port }).catch((error) => {
          admin?.server.close();
          throw error;
        });
      };
      const early = order === 'listen first' ? await listen() : undefined;
      await registry.loadAll(onProgress);
      if (order === 'listen if ready') readiness(dataPlane);
      const address = early ?? (await listen());
      if (poller) void poll(poller, settings, ended.signal, logger);
      return address;
    },
    async stop(hurry) {
      admission.drain();
      ended.abort();
      // Without a listener nobody has to be sent elsewhere.
      if (app.server.listening) await delay(settings.shutdownDelayMs, undefined, { signal: hurry }).catch(() => {});
      return stop({ app, connections, admission, registry }, settings.drainTimeoutMs, hurry);
    },
    async retire() {
      const { drainTimeoutMs } = settings;
      await Promise.race([drain(connections, drainTimeoutMs), delay(drainTimeoutMs, undefined, { ref: false })]);
    },
    renewCertificates() {
      const renewed = readCertificates(settings);
      if (renewed) renewCertificates(renewed);
      return renewed !== undefined;
    },
    uncaught(error) {
      metrics.errorUncaught();
      logger.fatal({ err: error }, 'uncaught error');
    },
    measure: () => metrics.measure(),
  };
}

/** Fastify listens on both addresses of localhost and gives us one of the two servers: the other's certificate would stay. */
function hostOf({ host, tlsCertificate }: Settings): string {
  return tlsCertificate !== undefined && host === 'localhost' ? '127.0.0.1' : host;
}

function look({ models }: Settings): Fingerprints {
  return fingerprints(scanRepository(models, modelFileOf));
}

/** Looks at the models again and again until the server ends. */
async function poll(poller: Poller, settings: Settings, signal: AbortSignal, logger: Logger): Promise<void> {
  for (;;) {
    await delay(settings.pollIntervalMs, undefined, { signal, ref: false }).catch(() => {});
    if (signal.aborted) return;
    try {
      await poller.look(look(settings));
    } catch (error) {
      logger.error({ err: error }, 'the models could not be looked at');
    }
  }
}

interface Parts extends Pick<App, 'app' | 'connections'> {
  readonly admission: Admission;
  readonly registry: Registry;
}

async function drain(connections: App['connections'], patienceMs: number, hurry?: AbortSignal): Promise<void> {
  await Promise.all(connections.map((each) => each.drain(patienceMs, hurry)));
}

/** From the edge inwards: connections, requests, models, engines; one limit for all. */
async function stop(
  { app, connections, admission, registry }: Parts,
  drainTimeoutMs: number,
  hurry: AbortSignal | undefined,
): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), drainTimeoutMs);
  });
  const drained = (async () => {
    await drain(connections, Math.min(IDLE_PATIENCE_MS, drainTimeoutMs), hurry);
    await app.close();
    await admission.close();
    await registry.stop();
    return true;
  })();
  const complete = await Promise.race([drained, limit]);
  clearTimeout(timer);
  if (!complete) for (const each of connections) each.close();
  await registry.close();
  return complete;
}

function createRegistry(
  settings: Settings,
  metrics: Metrics,
  logger: Logger,
  surroundings: Surroundings & { readonly ended: AbortSignal },
): Registry {
  const { ended } = surroundings;
  const scan = () => scanRepository(settings.models, modelFileOf);
  const load = (source: ModelSource) => loadObserved(source, surroundings, metrics, logger);
  return new Registry({
    readyModels: settings.readyModels,
    concurrency: Math.max(2, availableParallelism()),
    discover: () => scan().map(({ name }) => name),
    find: (name, override) => {
      if (!isModelName(name)) return { versions: [], labels: new Map() };
      const found = scan().find((candidate) => candidate.name === name);
      const { sources, versionLabels } = findSources(name, found, settings, override);
      return {
        versions: sources.map((source) => ({ version: source.version, load: () => load(source) })),
        labels: versionLabels,
      };
    },
    onChange: (model, version, state, reason) => {
      metrics.forModel(model, version).stateChanged(state, MODEL_STATES);
      const failed = state === 'UNAVAILABLE' && !isRetired({ reason }) && !ended.aborted;
      logger[failed ? 'error' : 'info']({ model, version, state, reason }, 'model state');
    },
  });
}

async function loadObserved(
  source: ModelSource,
  surroundings: Surroundings & { readonly ended: AbortSignal },
  metrics: Metrics,
  logger: Logger,
): Promise<Model> {
  const { name, version } = source;
  const log = logger.child({ model: name, version });
  try {
    const model = await loadModel(source, surroundings, observe(name, version, metrics, log));
    const { sample: _, labels: __, triton: ___, ...facts } = model.facts;
    log.info({ ...facts }, 'model loaded');
    return model;
  } catch (error) {
    if (!surroundings.ended.aborted) log.error({ err: error, path: source.path }, 'model failed to load');
    throw error;
  }
}

function observe(name: string, version: string, metrics: Metrics, log: Logger): ModelObserver {
  const model = metrics.forModel(name, version);
  return {
    requestAnswered: (outcome, ms) => model.requestAnswered(outcome, ms / 1000),
    batchExecuted: (batch) => model.batchExecuted(batch),
    batchFailed: () => model.batchFailed(),
    queueChanged: (waiting, running) => model.queueChanged(waiting, running),
    enginesChanged: (ready, starting) => model.enginesChanged(ready, starting),
    engineStarted: (enginePid) => log.info({ enginePid }, 'engine started'),
    engineExited: (enginePid, how) => {
      model.engineExited();
      log.warn({ enginePid, how }, 'engine lost');
    },
    engineRecycled: (enginePid, residentBytes) => {
      model.engineRecycled();
      log.info({ enginePid, residentBytes }, 'engine recycled');
    },
    profilePassedOver: (reason) => log.warn({ reason }, 'profile not used'),
    engineLog: (line) => log.warn({ engine: line }, 'engine output'),
  };
}
