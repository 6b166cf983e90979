// Composition root of one model version: file → engines → proof of batching → batcher → model.

import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BatchObserver, DynamicBatcher } from '../batching/dynamic-batcher.ts';
import type { ModelSettings } from '../config/schema.ts';
import { ServingError } from '../errors.ts';
import { planThreads, readCpuLimits } from '../execution/cpu-plan.ts';
import { type EngineObserver, EnginePool } from '../execution/engine-pool.ts';
import { ModelStatistics } from '../observability/statistics.ts';
import { probeBatching } from './batch-probe.ts';
import type { VersionPolicy } from './config.ts';
import { Model, type RequestObserver } from './model.ts';

/** One version of a model as it lies on disk. */
export interface ModelSource {
  readonly name: string;
  readonly version: string;
  readonly path: string;
  readonly settings: ModelSettings;
  /** The policy by which this version was picked. */
  readonly versions: VersionPolicy;
  /** Names of the classes, by index; empty where there are none. */
  readonly labels: readonly string[];
}

export interface ModelObserver extends BatchObserver, EngineObserver, RequestObserver {}

/**
 * Loads a version beside whatever serves already; nothing else changes until it has run once.
 * @throws ServingError MODEL_LOAD_FAILED with a reason fit for the repository index
 */
export async function loadModel(source: ModelSource, observer: ModelObserver): Promise<Model> {
  const { name, version, path, settings } = source;
  const threads = chooseThreads(settings);
  checkFile(path);
  const executor = await startEngines(source, threads.count, observer);
  try {
    const { signature, hiddenOutputs, executionProvider, providerReasons } = executor.description;
    const verdict = await probeBatching(executor);
    const batchable = settings.batching === 'auto' && verdict.batchable;
    const { maxBatchSize, maxQueueRequests, maxQueueBytes } = settings;
    const now = () => performance.now();
    const statistics = new ModelStatistics();
    const counting = counted(observer, statistics);
    const scheduler = new DynamicBatcher(
      executor,
      { batchable, maxBatchSize, maxQueueRequests, maxQueueBytes, now },
      counting,
    );
    const reason = settings.batching === 'off' ? 'switched off by its configuration' : verdict.reason;
    const facts = {
      batching: { enabled: batchable, maxBatchSize: batchable ? maxBatchSize : 1, reason },
      instances: settings.instances,
      versions: source.versions,
      threads,
      executionProvider: { name: executionProvider, passedOver: providerReasons },
      hiddenOutputs,
      requestTimeoutMs: settings.requestTimeoutMs,
      labels: source.labels,
      sample: verdict.sample,
    };
    return new Model({
      name,
      version,
      signature: { ...signature, batchable },
      facts,
      executor,
      scheduler,
      observer: counting,
      statistics,
    });
  } catch (error) {
    await executor.close();
    throw error;
  }
}

/** What the observer hears is counted for the statistics too. */
function counted(observer: ModelObserver, statistics: ModelStatistics): BatchObserver & RequestObserver {
  return {
    batchFailed: () => observer.batchFailed(),
    queueChanged: (waiting, running) => observer.queueChanged(waiting, running),
    batchExecuted(batch) {
      statistics.batchExecuted(batch);
      observer.batchExecuted(batch);
    },
    requestAnswered(outcome, ms) {
      statistics.requestAnswered(outcome, ms, Date.now());
      observer.requestAnswered(outcome, ms);
    },
  };
}

function startEngines({ path, settings }: ModelSource, threads: number, observer: ModelObserver): Promise<EnginePool> {
  const { executionProviders, instances, loadLimitMs, runLimitMs } = settings;
  const session = { modelPath: path, executionProviders, intraOpNumThreads: threads };
  return EnginePool.start({ session, instances, loadLimitMs, runLimitMs }, observer).catch((error: unknown) => {
    // The runtime's messages name files; the index must not.
    const message = (error as Error).message.replaceAll(dirname(path), '…').replaceAll(/\/\S*onnxruntime_src\S*/g, '…');
    throw new ServingError('MODEL_LOAD_FAILED', message, { cause: error });
  });
}

function chooseThreads({ threads, instances }: ModelSettings): { count: number; reason: string } {
  if (threads !== 'auto') return { count: threads, reason: 'set by configuration' };
  const plan = planThreads(readCpuLimits(), instances);
  return { count: plan.threads, reason: plan.reason };
}

function checkFile(path: string): void {
  const file = statSync(path, { throwIfNoEntry: false });
  if (!file?.isFile()) throw new ServingError('MODEL_LOAD_FAILED', 'its model.onnx is not a regular file');
  if (file.size === 0) throw new ServingError('MODEL_LOAD_FAILED', 'its model.onnx is empty');
}
