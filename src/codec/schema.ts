// The JSON objects of the Open Inference Protocol v2, as zod schemas: they check requests and make the API document.

import { z } from 'zod';
import { DATATYPE_NAMES, type Datatype } from '../tensor/datatype.ts';
import { DIALECT_SCHEMAS } from './dialect-schema.ts';

/** Bounds on counts, so that a small body cannot ask for much: tensors of a request, dimensions of a shape, characters of an id. */
export const MOST_TENSORS = 1024;
export const MOST_DIMENSIONS = 32;
export const LONGEST_ID = 1024;

const datatype = z.enum(DATATYPE_NAMES as [Datatype, ...Datatype[]]).describe('Type of the elements');
const parameters = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
  .describe('Values are strings, numbers or booleans');
const shape = z.array(z.int().min(0)).max(MOST_DIMENSIONS).describe('Size of each dimension');
const data = z.unknown().describe('Elements in row-major order, flat or nested');

const requestInput = z
  .object({ name: z.string(), shape, datatype, parameters: parameters.optional(), data: data.optional() })
  .meta({ id: 'InferInput' });

const requestOutput = z
  .object({ name: z.string(), parameters: parameters.optional() })
  .meta({ id: 'InferRequestedOutput' });

export const inferRequest = z
  .object({
    id: z.string().max(LONGEST_ID).optional().describe('Given back in the answer'),
    parameters: parameters.optional(),
    inputs: z.array(requestInput).max(MOST_TENSORS),
    outputs: z.array(requestOutput).max(MOST_TENSORS).optional().describe('Outputs wanted; all when left out'),
  })
  .meta({ id: 'InferRequest' });

const inferResponse = z
  .object({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    outputs: z.array(
      z.object({
        name: z.string(),
        datatype,
        shape,
        parameters: parameters.optional(),
        data: z.array(z.unknown()).optional(),
      }),
    ),
  })
  .meta({ id: 'InferResponse' });

const tensorMetadata = z
  .object({ name: z.string(), datatype, shape: z.array(z.int()).describe('-1 is a dimension of any size') })
  .meta({ id: 'TensorMetadata' });

const modelMetadata = z
  .object({
    name: z.string(),
    versions: z.array(z.string()),
    platform: z.string(),
    inputs: z.array(tensorMetadata),
    outputs: z.array(tensorMetadata),
    parameters: parameters.describe('What was decided at load: batching, threads, execution provider, and why'),
  })
  .meta({ id: 'ModelMetadata' });

const serverMetadata = z
  .object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) })
  .meta({ id: 'ServerMetadata' });

const modelReady = z.object({ name: z.string(), ready: z.boolean() }).meta({ id: 'ModelReady' });
const modelList = z.object({ models: z.array(z.string()) }).meta({ id: 'ModelList' });

export const repositoryIndexRequest = z
  .object({ ready: z.boolean().optional().describe('true: only versions that are ready') })
  .meta({ id: 'RepositoryIndexRequest' });

export const modelLoadRequest = z
  .object({
    parameters: z
      .record(z.string(), z.string())
      .optional()
      .describe("`config`: Triton's model configuration as JSON; `file:<version>/<name>`: a file in base64"),
  })
  .meta({ id: 'ModelLoadRequest' });

export const modelUnloadRequest = z
  .object({ parameters: z.object({ unload_dependents: z.boolean().optional() }).optional() })
  .meta({ id: 'ModelUnloadRequest' });

const repositoryIndex = z
  .array(z.object({ name: z.string(), version: z.string(), state: z.string(), reason: z.string() }))
  .meta({ id: 'RepositoryIndex' });

const versions = repositoryIndex.optional().describe('With `?verbose`: every version with its state');
const serverLive = z.object({ live: z.boolean(), models: versions }).meta({ id: 'ServerLive' });
const serverReady = z.object({ ready: z.boolean(), models: versions }).meta({ id: 'ServerReady' });
const serverStarted = z.object({ started: z.boolean(), models: versions }).meta({ id: 'ServerStarted' });

const duration = z.object({ count: z.int().min(0), ns: z.int().min(0) }).meta({ id: 'StatisticDuration' });

const modelStatistics = z
  .object({
    model_stats: z.array(
      z.object({
        name: z.string(),
        version: z.string(),
        last_inference: z.int().describe('When a run last ended, in milliseconds since 1970; 0 before the first'),
        inference_count: z.int().describe('Rows'),
        execution_count: z.int().describe('Runs'),
        inference_stats: z.object({
          success: duration,
          fail: duration,
          queue: duration,
          compute_input: duration,
          compute_infer: duration,
          compute_output: duration,
          cache_hit: duration,
          cache_miss: duration,
        }),
        response_stats: z.record(z.string(), z.unknown()),
        batch_stats: z.array(
          z.object({ batch_size: z.int(), compute_input: duration, compute_infer: duration, compute_output: duration }),
        ),
        memory_usage: z.array(z.unknown()),
      }),
    ),
  })
  .meta({ id: 'ModelStatistics' });

const configTensor = z
  .object({
    name: z.string(),
    data_type: z.string(),
    dims: z.array(z.int()),
    optional: z.boolean().optional(),
    reshape: z.object({ shape: z.array(z.int()) }).optional(),
    label_filename: z.string().optional(),
  })
  .meta({ id: 'ModelConfigTensor' });

const modelConfig = z
  .object({
    name: z.string(),
    platform: z.string(),
    backend: z.string(),
    max_batch_size: z.int().describe('0: the model does not batch'),
    input: z.array(configTensor),
    output: z.array(configTensor),
    version_policy: z.record(z.string(), z.unknown()),
    instance_group: z.array(z.object({ name: z.string(), kind: z.string(), count: z.int() })),
    dynamic_batching: z.object({ max_queue_delay_microseconds: z.int() }).optional(),
    default_model_filename: z.string(),
    parameters: z.record(z.string(), z.object({ string_value: z.string() })).describe('Effective values, and why'),
  })
  .meta({ id: 'ModelConfig' });

export const logSettings = z
  .object({
    log_file: z
      .string()
      .max(0, 'log file location can not be updated through network protocol')
      .describe('Always empty: the log is standard output')
      .optional(),
    log_info: z.boolean().optional(),
    log_warning: z.boolean().optional(),
    log_error: z.boolean().optional(),
    log_verbose_level: z.int().min(0).describe('1 adds a line for each request').optional(),
    log_format: z.enum(['default', 'ISO8601']).optional(),
  })
  .meta({ id: 'LogSettings' });

const decimal = (what: string, pattern: RegExp) => z.string().regex(pattern, `expected ${what} as text`);

export const traceSettings = z
  .object({
    trace_level: z
      .union(
        [z.array(z.literal('OFF')).length(1), z.array(z.enum(['TIMESTAMPS', 'TENSORS'])).min(1)],
        'expected TIMESTAMPS, TENSORS or both, or OFF alone',
      )
      .nullable()
      .optional()
      .describe('TIMESTAMPS, TENSORS or both; OFF alone'),
    trace_rate: decimal('a whole number from 1', /^[1-9][0-9]{0,8}$/)
      .nullable()
      .optional()
      .describe('One request of so many is traced'),
    trace_count: decimal('-1 or a whole number', /^(-1|[0-9]{1,9})$/)
      .nullable()
      .optional()
      .describe('So many requests are traced at most; -1: no end'),
    log_frequency: decimal('a whole number', /^[0-9]{1,9}$/)
      .nullable()
      .optional()
      .describe('Always 0: traces are lines of the log'),
    trace_file: z
      .string()
      .max(0, 'trace file location can not be updated through network protocol')
      .nullable()
      .optional()
      .describe('Always empty: traces are lines of the log'),
    trace_mode: z.literal('triton').nullable().optional(),
  })
  .meta({ id: 'TraceSettings' });

const errorResponse = z
  .object({ error: z.string().describe('What was expected, what came, where, and what to do') })
  .meta({ id: 'ErrorResponse' });

/** Every object of the protocol, for the API document. */
export const PROTOCOL_SCHEMAS = {
  inferRequest,
  inferResponse,
  modelMetadata,
  serverMetadata,
  serverLive,
  serverReady,
  serverStarted,
  modelReady,
  modelList,
  modelStatistics,
  modelConfig,
  logSettings,
  traceSettings,
  repositoryIndexRequest,
  repositoryIndex,
  modelLoadRequest,
  modelUnloadRequest,
  errorResponse,
  ...DIALECT_SCHEMAS,
};
