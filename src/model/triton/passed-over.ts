// The fields of a configuration for Triton that have no effect here, each with the reason: they tune Triton's way of
// scheduling and running, and no answer depends on them.

import type { TritonConfig } from './schema.ts';

/** A line for each field that is set and has no effect. */
export function passedOver(config: TritonConfig): string[] {
  const { dynamic_batching: batching, optimization, instance_group: groups } = config;
  const queue = batching?.default_queue_policy;
  const delayed = queue?.timeout_action === 'DELAY' && queue.default_timeout_microseconds > 0;
  const group = (field: 'rate_limiter' | 'secondary_devices' | 'profile' | 'host_policy' | 'passive') =>
    groups.some((each) => each[field]);
  const reasons: [field: string, set: unknown, reason: string][] = [
    ['runtime', config.runtime, 'there is one runtime'],
    ['cc_model_filenames', config.cc_model_filenames, 'the default file serves every device'],
    ['metric_tags', config.metric_tags, "metrics carry the model's name and version"],
    ['model_warmup', config.model_warmup, 'every engine runs made-up inputs before it serves'],
    ['model_metrics', config.model_metrics, 'the buckets of histograms are the same for all models'],
    ['response_cache', config.response_cache?.enable, 'answers are not cached'],
    ['dynamic_batching.preferred_batch_size', batching?.preferred_batch_size.length, BATCHES],
    ['dynamic_batching.max_queue_delay_microseconds', batching?.max_queue_delay_microseconds, BATCHES],
    ['dynamic_batching.preserve_ordering', batching?.preserve_ordering, 'each response belongs to its own request'],
    [
      'dynamic_batching.priority_queue_policy',
      batching?.priority_queue_policy,
      'the request that is due first goes first',
    ],
    ['dynamic_batching.default_queue_policy.timeout_action', delayed, 'a request is refused when its time is over'],
    ['instance_group.gpus', groups.some(({ gpus }) => gpus.length > 0), 'engines use the first GPU they are shown'],
    ['instance_group.kind', mixed(groups), 'all engines of a model run on the same device'],
    ['instance_group.passive', group('passive'), 'every engine serves'],
    ['instance_group.rate_limiter', group('rate_limiter'), 'engines do not wait for those of other models'],
    ['instance_group.host_policy', group('host_policy'), 'the operating system places the engines'],
    ['instance_group.secondary_devices', group('secondary_devices'), 'the runtime has none'],
    ['instance_group.profile', group('profile'), ONLY_TENSORRT],
    ['optimization.graph.level', optimization?.graph?.level, 'the runtime optimises as far as it can'],
    [
      'optimization.execution_accelerators',
      optimization?.execution_accelerators,
      '`executionProviders` is what decides',
    ],
    ['optimization.cuda', optimization?.cuda, ONLY_TENSORRT],
    ['optimization.priority', optimization?.priority, ONLY_TENSORRT],
    ['optimization.eager_batching', optimization?.eager_batching, ONLY_TENSORRT],
    ['optimization.gather_kernel_buffer_threshold', optimization?.gather_kernel_buffer_threshold, ONLY_TENSORRT],
    ['optimization.input_pinned_memory', optimization?.input_pinned_memory, PINNED],
    ['optimization.output_pinned_memory', optimization?.output_pinned_memory, PINNED],
    ...[...config.parameters.keys()].map((key): [string, unknown, string] => [
      `parameters.${key}`,
      key !== 'intra_op_thread_count',
      PARAMETERS.get(key) ?? 'no part of the server reads it',
    ]),
  ];
  return reasons.filter(([, set]) => set).map(([field, , reason]) => `${field}: ${reason}`);
}

const BATCHES = 'a free engine takes at once what waits, up to max_batch_size';
const ONLY_TENSORRT = 'it is for TensorRT only';
const PINNED = 'tensors travel between processes, not from pinned memory';
const PARAMETERS = new Map([
  ['inter_op_thread_count', 'operators run one after the other'],
  ['execution_mode', 'operators run one after the other'],
]);

function mixed(groups: TritonConfig['instance_group']): boolean {
  return groups.some(({ kind }) => kind === 'KIND_GPU') && groups.some(({ kind }) => kind === 'KIND_CPU');
}
