// Composition root of one model version: file → engines → proof of batching → batcher → model.

import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { BatchObserver } from '../batching/batch-observer.ts';
import { ClientBatchSplitter } from '../batching/client-batch.ts';
import type { CoreShare } from '../batching/core-share.ts';
import { CostModel } from '../batching/cost-model.ts';
import { DynamicBatcher } from '../batching/dynamic-batcher.ts';
import { ServingError } from '../errors.ts';
import type { BusyPolling } from '../execution/busy-polling.ts';
import { type CpuLimits, coresOf } from '../execution/cpu-plan.ts';
import { type EngineObserver, EnginePool } from '../execution/engine-pool.ts';
import { ModelStatistics } from '../observability/statistics.ts';
import { toClientShapes } from '../tensor/reshape.ts';
import { freeAxesOf, rowSize } from '../tensor/rows.ts';
import type { TensorSignature } from '../tensor/signature.ts';
import type { NamedTensors } from '../tensor/tensor.ts';
import { probeBatching } from './batch-probe.ts';
import type { EnginePlan } from './engine-plan.ts';
import { checkExternalData } from './external-data.ts';
import { Model, type RequestObserver } from './model.ts';
import { splitOptionalInputs } from './optional-inputs.ts';
import { type PaddingVerdict, probePadding } from './padding-probe.ts';
import { type Profile, profileKey, readProfile } from './profile.ts';
import type { ModelSource } from './source.ts';
import { configureSignature } from './triton/signature.ts';
import { firstPlan, LOAD_BUDGET, type TuningBudget, tune, UNOBSERVED } from './tuning.ts';

const NOT_BATCHED: PaddingVerdict = { plan: undefined, reason: 'the model does not batch' };
const now = () => performance.now();
/** Where the configuration for Triton says no other: four levels are more urgent. */
const USUAL_PRIORITY = 5;

export interface ModelObserver extends BatchObserver, EngineObserver, RequestObserver {
  /** Hears why a profile that is there was not used. */
  profilePassedOver(reason: string): void;
}

/** What a model shares with others, and what it finds on this machine. */
export interface Surroundings {
  readonly limits: CpuLimits;
  readonly cores: CoreShare;
  readonly polling: BusyPolling | undefined;
  /** Folder of profiles; undefined: everything is measured. */
  readonly profiles: string | undefined;
  /** Time for measuring; undefined: what a quick start allows. */
  readonly budget?: TuningBudget;
  /** Calls loads off, and ends their engines. */
  readonly ended?: AbortSignal;
}

/**
 * Loads a version beside whatever serves already; nothing else changes until it has run once.
 * @throws ServingError MODEL_LOAD_FAILED with a reason fit for the repository index
 */
export async function loadModel(
  source: ModelSource,
  { limits, cores, polling, profiles, budget = LOAD_BUDGET, ended }: Surroundings,
  observer: ModelObserver,
): Promise<Model> {
  const { name, version, config, labels } = source;
  const { settings, triton, versions } = config;
  const fileBytes = checkFile(source);
  const profile = await findProfile(source, limits, profiles, observer);
  const { content, values } = splitOptionalInputs(source);
  const alone = !checkExternalData(source.path, content);
  const loaded = new AbortController();
  const start = async ({ instances, threads }: EnginePlan, observed: boolean) => {
    if (ended?.aborted) throw new ServingError('SERVER_STOPPING', 'The server is shutting down.');
    const heard = observed ? observer : UNOBSERVED;
    const pool = await startEngines({ ...source, content, alone }, { instances, threads }, polling, heard, ended);
    ended?.addEventListener('abort', () => void pool.close(), { signal: loaded.signal });
    return pool;
  };
  const first = firstPlan(settings, { limits, profile, fileBytes: alone ? fileBytes : Number.POSITIVE_INFINITY });
  let executor = await start({ instances: first.instances, threads: first.threads.count }, true);
  try {
    const { signature: inFile, hiddenOutputs, executionProvider, providerReasons } = executor.description;
    const configured = triton && configureSignature(triton, inFile);
    const modelSignature = withValues(configured?.model ?? inFile, values);
    const verdict = await probeBatching(executor, modelSignature);
    const reshapes = configured?.reshapes.inputs ?? new Map();
    const batchable = settings.batching === 'auto' && verdict.batchable;
    const padding = batchable ? await probePadding(executor, modelSignature, settings.padding) : NOT_BATCHED;
    const { sample } = verdict;
    const tuned = await tune({ settings, limits, profile, budget, first, executor, sample, batchable, start });
    executor = tuned.executor;
    const { tuning } = tuned;
    const length = sample ? rowSize(sample, freeAxesOf(executor.signature)) : 1;
    const costs = new CostModel(tuning.curve, length);
    const { maxBatchSize, maxQueueRequests, maxQueueBytes } = settings;
    const queueTimeoutMs = triton?.queueTimeoutMs;
    const statistics = new ModelStatistics();
    const counting = counted(observer, statistics);
    const batcher = new DynamicBatcher(
      executor,
      {
        batchable,
        maxBatchSize,
        maxQueueRequests,
        maxQueueBytes,
        queueTimeoutMs,
        padding: padding.plan,
        costs,
        cores,
        threads: executionProvider === 'cpu' ? tuning.threads.count : 0,
        now,
      },
      counting,
    );
    const scheduler = batchable ? new ClientBatchSplitter(batcher, maxBatchSize) : batcher;
    const reason = settings.batching === 'off' ? 'switched off by its configuration' : verdict.reason;
    const facts = {
      batching: { enabled: batchable, maxBatchSize: batchable ? maxBatchSize : 1, reason },
      padding: { inputs: [...(padding.plan?.inputs.keys() ?? [])], reason: padding.reason },
      tuning,
      versions,
      executionProvider: { name: executionProvider, passedOver: providerReasons },
      hiddenOutputs: [...hiddenOutputs, ...(configured?.hiddenOutputs ?? [])],
      requestTimeoutMs: settings.requestTimeoutMs,
      usualPriority: triton?.usualPriority ?? USUAL_PRIORITY,
      labels,
      passedOver: triton?.passedOver ?? [],
      triton,
      sample: sample && toClientShapes(sample, reshapes),
    };
    return new Model({
      name,
      version,
      signature: {
        ...withValues(configured?.client ?? inFile, toClientShapes(values, reshapes)),
        batchable,
        hasRows: configured?.hasRows ?? batchable,
      },
      reshapes: configured?.reshapes,
      facts,
      executor,
      scheduler,
      observer: counting,
      statistics,
    });
  } catch (error) {
    await executor.close();
    throw error;
  } finally {
    loaded.abort();
  }
}

function withValues({ inputs, outputs }: TensorSignature, values: NamedTensors): TensorSignature {
  return { inputs: inputs.map((input) => ({ ...input, defaultValue: values.get(input.name) })), outputs };
}

/** What the observer hears is counted for the statistics too. */
function counted(observer: ModelObserver, statistics: ModelStatistics): BatchObserver & RequestObserver {
  return {
    batchFailed: () => observer.batchFailed(),
    queueChanged: (waiting, running) => observer.queueChanged(waiting, running),
    batchExecuted(batch) {
      statistics.batchExecuted(batch, Date.now());
      observer.batchExecuted(batch);
    },
    requestAnswered(outcome, ms) {
      statistics.requestAnswered(outcome, ms);
      observer.requestAnswered(outcome, ms);
    },
  };
}

async function findProfile(
  source: ModelSource,
  limits: CpuLimits,
  folder: string | undefined,
  observer: ModelObserver,
): Promise<Profile | undefined> {
  if (folder === undefined || source.config.settings.instances !== 'auto') return undefined;
  const found = readProfile(folder, await profileKey(source, coresOf(limits)));
  if (typeof found !== 'string') return found;
  observer.profilePassedOver(found);
  return undefined;
}

async function startEngines(
  source: ModelSource & { readonly alone: boolean },
  { instances, threads }: EnginePlan,
  polling: BusyPolling | undefined,
  observer: EngineObserver,
  ended: AbortSignal | undefined,
): Promise<EnginePool> {
  const { path, content, alone, config } = source;
  const { executionProviders, loadLimitMs, runLimitMs, maxEngineBytes } = config.settings;
  const session = { modelPath: path, executionProviders, intraOpNumThreads: threads };
  try {
    const options = { session, content, alone, instances, loadLimitMs, runLimitMs, maxEngineBytes, polling };
    return await EnginePool.start(options, observer, ended);
  } catch (error) {
    // The runtime's messages name files; the index must not.
    const { message } = error as Error;
    const hidden = path === undefined ? message : message.replaceAll(dirname(path), '…');
    throw new ServingError('MODEL_LOAD_FAILED', hidden.replaceAll(/(?<!\S)\S*\/onnxruntime_src\S*/g, '…'), {
      cause: error,
    });
  }
}

/** @returns its size in bytes, without tensors kept elsewhere */
function checkFile({ path, content }: ModelSource): number {
  const file = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
  if (!content && !file?.isFile()) throw new ServingError('MODEL_LOAD_FAILED', 'its model.onnx is not a regular file');
  const size = content?.length ?? file!.size;
  if (size === 0) throw new ServingError('MODEL_LOAD_FAILED', 'its model.onnx is empty');
  return size;
}
