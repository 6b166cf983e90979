// What a model's configuration for Triton asks of this server.
//
// Fields that change answers are served or refused. Those that only tune Triton are passed over, each with its reason.

import type { ModelSettings } from '../../config/schema.ts';
import { ServingError } from '../../errors.ts';
import type { Datatype } from '../../tensor/datatype.ts';
import { canReshape } from '../../tensor/reshape.ts';
import type { VersionPolicy } from '../version-policy.ts';
import { passedOver } from './passed-over.ts';
import type { TritonConfig } from './schema.ts';

/**
 * `dims` is what a client sends or gets, `modelDims` what the file has; both without the rows that a model with a
 * maxBatchSize over 0 has as its first dimension.
 */
export interface TritonTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly dims: readonly number[];
  readonly modelDims: readonly number[];
}

export interface TritonInput extends TritonTensor {
  /** The file has a value for it; a request may leave it out. */
  readonly optional: boolean;
}

export interface TritonModel {
  readonly versions: VersionPolicy;
  /** To be laid over the server's settings; only what the configuration says. */
  readonly settings: Partial<ModelSettings>;
  /**
   * 0: the dims are whole shapes, and requests never share a run. Over 0: dims are those of a row, and a tensor is
   * [-1, ...dims]. Undefined: not said, as a model without a configuration.
   */
  readonly maxBatchSize: number | undefined;
  /** Empty: not said, as in the file. */
  readonly inputs: readonly TritonInput[];
  /** Empty: not said, as in the file. Outputs of the file that are not among them are not offered. */
  readonly outputs: readonly TritonTensor[];
  /** In the version's folder; never leads out of it. */
  readonly modelFile: string;
  /** By the output's name, below the model's folder; never leads out of it. */
  readonly labelFiles: ReadonlyMap<string, string>;
  /** Longest time a request may wait for an engine; once it runs, this limit does not count. */
  readonly queueTimeoutMs: number | undefined;
  /** `default_priority_level`, where there are levels. */
  readonly usualPriority: number | undefined;
  /** A line each on what the configuration asks for and does not get, with the reason. */
  readonly passedOver: readonly string[];
}

const ONNX_PLATFORM = 'onnxruntime_onnx';
const ONNX_BACKEND = 'onnxruntime';
/** Largest values of the settings. */
const MOST = { maxBatchSize: 65_536, instances: 256, threads: 1024, milliseconds: 86_400_000 };

/**
 * Translates a configuration as Triton means it (core/src/model_config_utils.cc, onnxruntime_backend/src/onnxruntime.cc):
 *
 * - `max_batch_size` over 0: the tensors have rows as a first dimension that `dims` leaves out. 0 or absent, which the
 *   format cannot tell apart: with both inputs and outputs given it means that the model has no rows and is not batched;
 *   with either missing Triton completes the configuration from the file, so that it means nothing.
 * - Without `dynamic_batching` Triton runs each request by itself. Here requests share runs whenever the model has rows and
 *   the probe has shown that a row's answer does not depend on the others: answers are the same either way.
 * - `reshape` is what the model gets or gives instead of `dims`; the free dimensions of both stand for each other in order.
 * - `count` is a number of instances a device; this server's engines share the first device, so the counts are added up.
 * - `default_timeout_microseconds` ends waiting, not running, and only with `timeout_action: REJECT`.
 *
 * @param name the model's, which the configuration's must equal as in Triton
 * @throws ServingError MODEL_LOAD_FAILED for what is not served, and for what Triton would refuse too
 */
export function toTritonModel(config: TritonConfig, name: string, defaults: ModelSettings): TritonModel {
  refuseOthers(config, name);
  const { input, output, max_batch_size, default_model_filename } = config;
  const complete = input.length > 0 && output.length > 0;
  const queue = config.dynamic_batching?.default_queue_policy;
  const timeoutUs = queue?.timeout_action === 'REJECT' ? queue.default_timeout_microseconds : 0;
  return {
    versions: toVersions(config.version_policy),
    settings: toSettings(config, complete, defaults),
    maxBatchSize: max_batch_size > 0 || complete ? max_batch_size : undefined,
    inputs: toTensors('input', input).map((tensor, i) => ({ ...tensor, optional: input[i]!.optional })),
    outputs: toTensors('output', output),
    modelFile: safePath('default_model_filename', default_model_filename || 'model.onnx'),
    labelFiles: new Map(
      output
        .filter(({ label_filename }) => label_filename)
        .map(({ name, label_filename }) => [name, safePath('label_filename', label_filename)]),
    ),
    queueTimeoutMs: timeoutUs > 0 ? Math.min(Math.ceil(timeoutUs / 1000), MOST.milliseconds) : undefined,
    usualPriority:
      (config.dynamic_batching?.priority_levels && config.dynamic_batching.default_priority_level) || undefined,
    passedOver: passedOver(config),
  };
}

function refuse(what: string): ServingError {
  return new ServingError('MODEL_LOAD_FAILED', `its configuration for Triton cannot be served: ${what}`);
}

function refuseOthers(config: TritonConfig, name: string): void {
  const { platform, backend } = config;
  const other = (what: string, value: string, served: string) =>
    value && value !== served ? `${what} '${value}', and only ONNX models are served ('${served}')` : undefined;
  const obstacle =
    (config.name && config.name !== name ? `it is named '${config.name}', and the model '${name}'` : undefined) ??
    (config.ensemble_scheduling || platform === 'ensemble' ? 'ensembles of models are not supported' : undefined) ??
    other('platform', platform, ONNX_PLATFORM) ??
    other('backend', backend, ONNX_BACKEND) ??
    (config.sequence_batching
      ? 'sequence_batching: models that keep state between requests are not supported'
      : undefined) ??
    (config.model_transaction_policy?.decoupled ? 'decoupled: each request has one response' : undefined) ??
    (config.batch_input || config.batch_output
      ? 'batch_input, batch_output: the model is given what clients send, and nothing else'
      : undefined) ??
    (config.model_operations ? 'model_operations: libraries of custom operators are not loaded' : undefined) ??
    (config.model_repository_agents ? 'model_repository_agents: none are run' : undefined);
  if (obstacle) throw refuse(obstacle);
}

function toVersions(policy: TritonConfig['version_policy']): VersionPolicy {
  const { latest, all, specific } = policy ?? {};
  if ([latest, all, specific].filter(Boolean).length > 1) throw refuse('version_policy: more than one policy is set');
  if (all) return 'all';
  if (!specific) return { latest: latest?.num_versions || 1 };
  if (specific.versions.length === 0) throw refuse('version_policy: specific names no versions');
  return { specific: specific.versions };
}

function toSettings(config: TritonConfig, complete: boolean, defaults: ModelSettings): Partial<ModelSettings> {
  const { max_batch_size, instance_group, dynamic_batching } = config;
  const count = instance_group.reduce((sum, group) => sum + Math.max(1, group.count), 0);
  const threads = threadsOf(config);
  const queueSize = dynamic_batching?.default_queue_policy?.max_queue_size ?? 0;
  const providers = providersOf(instance_group, defaults);
  return {
    ...(max_batch_size > 0 && { maxBatchSize: Math.min(max_batch_size, MOST.maxBatchSize) }),
    ...(max_batch_size === 0 && complete && { batching: 'off' }),
    ...(count > 0 && { instances: Math.min(count, MOST.instances) }),
    ...(threads > 0 && { threads }),
    ...(queueSize > 0 && { maxQueueRequests: queueSize }),
    ...(providers && { executionProviders: providers }),
  };
}

/** 0: not said; the backend's own meaning of 0 is `auto` too. */
function threadsOf({ parameters }: TritonConfig): number {
  const value = parameters.get('intra_op_thread_count')?.string_value ?? '0';
  if (/^[0-9]{1,4}$/.test(value) && Number(value) <= MOST.threads) return Number(value);
  throw refuse(`intra_op_thread_count: expected a whole number from 0 to ${MOST.threads}, got '${value}'`);
}

/** A server that is set up for another device than the CPU stays so; KIND_GPU falls back to the CPU with a reason. */
function providersOf(groups: TritonConfig['instance_group'], { executionProviders }: ModelSettings) {
  const optional = (...names: string[]) => names.map((name) => ({ name, required: false }));
  if (groups.some(({ kind }) => kind === 'KIND_GPU')) {
    return executionProviders.every(({ name }) => name === 'cpu') ? optional('cuda', 'cpu') : undefined;
  }
  return groups.length > 0 && groups.every(({ kind }) => kind === 'KIND_CPU') ? optional('cpu') : undefined;
}

type Written = TritonConfig['input'][number] | TritonConfig['output'][number];

function toTensors(kind: string, list: readonly Written[]): TritonTensor[] {
  const names = list.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw refuse(`${kind} '${twice}' is there twice`);
  return list.map((tensor) => toTensor(kind, tensor));
}

function toTensor(kind: string, tensor: Written): TritonTensor {
  const { name, data_type, dims, reshape } = tensor;
  const fail = (what: string) => refuse(`${kind} '${name}' ${what}`);
  if (!name) throw refuse(`an ${kind} has no name`);
  if (data_type === 'TYPE_INVALID') throw fail('has no data_type');
  if (data_type === 'TYPE_BF16') throw fail('is TYPE_BF16, which the runtime cannot take or give');
  if (tensor.is_shape_tensor || tensor.is_non_linear_format_io) throw fail('is of a kind that only TensorRT has');
  if ('allow_ragged_batch' in tensor && tensor.allow_ragged_batch) throw fail('is ragged, which is not supported');
  const modelDims = reshape?.shape ?? dims;
  if ([...dims, ...modelDims].includes(0)) throw fail('has a dimension 0: it must be 1 or more, or -1 for any size');
  if (!canReshape({ client: dims, model: modelDims })) {
    throw fail(`has dims [${dims.join(',')}] and reshape [${modelDims.join(',')}], which differ in size`);
  }
  const datatype = data_type === 'TYPE_STRING' ? 'BYTES' : (data_type.slice('TYPE_'.length) as Datatype);
  return { name, datatype, dims, modelDims };
}

function safePath(field: string, path: string): string {
  const safe = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..') && !/[\\\0]/.test(path);
  if (!safe) throw refuse(`${field}: '${path}' does not name a file below the model's folder`);
  return path;
}
