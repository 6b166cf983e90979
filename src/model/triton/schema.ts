// Triton's ModelConfig, declared once for both of its written forms: the fields of model_config.proto by their names there.
// What `presence` stands for is either refused or passed over whole, so nothing in it is checked.

import type { z } from 'zod';
import { bool, enumeration, integer, mapOf, message, presence, repeated, text } from './fields.ts';

const INT32 = 2 ** 31 - 1;
const UINT32 = 2 ** 32 - 1;
const UINT64 = 2 ** 64;

/** In the order of their numbers in model_config.proto. */
const DATA_TYPES = [
  'TYPE_INVALID',
  'TYPE_BOOL',
  'TYPE_UINT8',
  'TYPE_UINT16',
  'TYPE_UINT32',
  'TYPE_UINT64',
  'TYPE_INT8',
  'TYPE_INT16',
  'TYPE_INT32',
  'TYPE_INT64',
  'TYPE_FP16',
  'TYPE_FP32',
  'TYPE_FP64',
  'TYPE_STRING',
  'TYPE_BF16',
] as const;

const dimensions = repeated(integer(-1, Number.MAX_SAFE_INTEGER));

const tensor = {
  name: text.default(''),
  data_type: enumeration(DATA_TYPES).default('TYPE_INVALID'),
  dims: dimensions,
  reshape: message({ shape: dimensions }).optional(),
  is_shape_tensor: bool.default(false),
  is_non_linear_format_io: bool.default(false),
};

const input = message({
  ...tensor,
  format: enumeration(['FORMAT_NONE', 'FORMAT_NHWC', 'FORMAT_NCHW']).default('FORMAT_NONE'),
  allow_ragged_batch: bool.default(false),
  optional: bool.default(false),
});

const output = message({ ...tensor, label_filename: text.default('') });

const versionPolicy = message({
  latest: message({ num_versions: integer(0, UINT32).default(0) }).optional(),
  all: message({}).optional(),
  specific: message({ versions: repeated(integer(1, Number.MAX_SAFE_INTEGER)) }).optional(),
});

const queuePolicy = message({
  timeout_action: enumeration(['REJECT', 'DELAY']).default('REJECT'),
  default_timeout_microseconds: integer(0, UINT64).default(0),
  allow_timeout_override: bool.default(false),
  max_queue_size: integer(0, UINT32).default(0),
});

const dynamicBatching = message({
  preferred_batch_size: repeated(integer(1, INT32)),
  max_queue_delay_microseconds: integer(0, UINT64).default(0),
  preserve_ordering: bool.default(false),
  priority_levels: integer(0, UINT64).default(0),
  default_priority_level: integer(0, UINT64).default(0),
  default_queue_policy: queuePolicy.optional(),
  priority_queue_policy: presence,
});

const instanceGroup = message({
  name: text.default(''),
  kind: enumeration(['KIND_AUTO', 'KIND_GPU', 'KIND_CPU', 'KIND_MODEL']).default('KIND_AUTO'),
  count: integer(-INT32, INT32).default(0),
  gpus: repeated(integer(0, INT32)),
  rate_limiter: presence,
  secondary_devices: presence,
  profile: presence,
  passive: bool.default(false),
  host_policy: presence,
});

const optimization = message({
  graph: message({ level: integer(-INT32, INT32).default(0) }).optional(),
  priority: presence,
  cuda: presence,
  execution_accelerators: presence,
  input_pinned_memory: presence,
  output_pinned_memory: presence,
  gather_kernel_buffer_threshold: presence,
  eager_batching: presence,
});

export const tritonSchema = message({
  name: text.default(''),
  platform: text.default(''),
  backend: text.default(''),
  runtime: text.default(''),
  version_policy: versionPolicy.optional(),
  max_batch_size: integer(0, INT32).default(0),
  input: repeated(input),
  output: repeated(output),
  batch_input: presence,
  batch_output: presence,
  optimization: optimization.optional(),
  dynamic_batching: dynamicBatching.optional(),
  sequence_batching: presence,
  ensemble_scheduling: presence,
  instance_group: repeated(instanceGroup),
  default_model_filename: text.default(''),
  cc_model_filenames: presence,
  metric_tags: presence,
  parameters: mapOf(message({ string_value: text.default('') }).prefault({})),
  model_warmup: presence,
  model_operations: presence,
  model_transaction_policy: message({ decoupled: bool.default(false) }).optional(),
  model_repository_agents: presence,
  response_cache: message({ enable: bool.default(false) }).optional(),
  model_metrics: presence,
});

export type TritonConfig = z.output<typeof tritonSchema>;
