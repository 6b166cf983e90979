// Every setting of the server, declared once: types, --help, environment names and the README's tables come from here.

import { z } from 'zod';

const bytes = (defaultValue: number) => z.coerce.number().int().min(1024).default(defaultValue);
const milliseconds = (defaultValue: number, least = 1) =>
  z.coerce.number().int().min(least).max(86_400_000).default(defaultValue);

const flag = z.preprocess(
  (value) => (value === 'true' || value === 'false' ? value === 'true' : value),
  z.boolean('expected true or false'),
);
const route = z.string().regex(/^\/[^\s?#*()]*$/, 'expected a path that begins with /');

const provider = z.union([
  z.string().transform((name) => ({ name: name.trim(), required: false })),
  z.strictObject({ name: z.string(), required: z.boolean().default(false) }),
]);

/** `cuda,cpu`, or in a file a list whose items are names or `{name, required}`. */
const executionProviders = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',') : value),
  z.array(provider).min(1),
);

export const API_KEY_NAME = /^[A-Za-z0-9_.-]{1,64}$/;

const apiKey = z.strictObject({
  name: z.string().regex(API_KEY_NAME, 'expected up to 64 letters, digits, dots, dashes, underscores'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected the 64 hexadecimal digits that `ortlet key` prints'),
  scopes: z.array(z.enum(['infer', 'admin', 'metrics'])).min(1),
  requestsPerSecond: z.coerce.number().positive().max(1_000_000).optional(),
});

/** `name:sha256:infer+metrics:100`, with commas between several and the rate left out where there is none; a list in a file. */
const apiKeys = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',').map(readApiKey) : value),
  z.array(apiKey).max(100).refine(isDistinct, 'two keys have the same name or hash'),
);

function readApiKey(text: string): Record<string, unknown> {
  const [name, sha256, scopes, requestsPerSecond, ...rest] = text.trim().split(':');
  return { name, sha256, scopes: scopes?.split('+'), requestsPerSecond, ...(rest.length > 0 && { rest }) };
}

function isDistinct(keys: readonly z.output<typeof apiKey>[]): boolean {
  return [keys.map(({ name }) => name), keys.map(({ sha256 }) => sha256)].every(
    (all) => new Set(all).size === all.length,
  );
}

/** Settings that a model's own config.yaml may override. */
export const MODEL_SETTINGS = {
  batching: z
    .enum(['auto', 'off'])
    .default('auto')
    .describe('`auto` batches a model whose rows are proven independent'),
  padding: z
    .union(
      [z.enum(['auto', 'off']), z.record(z.string(), z.number())],
      'expected auto, off, or inputs with their values',
    )
    .default('auto')
    .describe(
      'Whether requests of different lengths may share a run: `auto` where an input is a mask and the answers are proven equal; in a file also inputs with what they are filled up with, `{input_ids: 0}`',
    ),
  maxBatchSize: z.coerce.number().int().min(1).max(65_536).default(32).describe('Rows of one run at most'),
  instances: z
    .union([z.literal('auto'), z.coerce.number().int().min(1).max(256)])
    .default(1)
    .describe('Engine processes a model version gets; `auto` tries which number with how many threads is fastest here'),
  threads: z
    .union([z.literal('auto'), z.coerce.number().int().min(1).max(1024)])
    .default('auto')
    .describe(
      'Threads of one run; `auto`: one where runs are short, else what the container may use, shared between the instances',
    ),
  executionProviders: executionProviders
    .default([{ name: 'cpu', required: false }])
    .describe('onnxruntime execution providers in order of preference, `cuda,cpu` for example'),
  requestTimeoutMs: milliseconds(30_000).describe('Longest time a request may take; a client can ask for less'),
  runLimitMs: milliseconds(60_000).describe('Longest time one run may take before its engine is killed'),
  loadLimitMs: milliseconds(60_000).describe('Longest time loading a model may take'),
  maxQueueRequests: z.coerce.number().int().min(1).default(1000).describe('Requests that may wait for one model'),
  maxQueueBytes: bytes(256 * 1024 ** 2).describe(
    'Memory in bytes that what waits for one model may take: twice the bytes of its tensors, because the bodies are not collected at once',
  ),
  maxEngineBytes: z.coerce
    .number()
    .int()
    .min(1024)
    .optional()
    .describe(
      'Memory that an engine may hold: beyond it a fresh one takes over without a failed request, and a long run beyond 1.5 times is stopped',
    ),
};

export const settingsSchema = z.strictObject({
  models: z.string().min(1).default('./models').describe('Folder of models, or one `.onnx` file'),
  profiles: z
    .string()
    .min(1)
    .default('./profiles')
    .describe('Folder of what `ortlet tune` has found out, which starts with `instances: auto` use; need not exist'),
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen on'),
  port: z.coerce.number().int().min(0).max(65_535).default(8080).describe('Port to listen on; 0 takes a free one'),
  tlsCertificate: z
    .string()
    .min(1)
    .optional()
    .describe(
      'PEM file of the certificate for HTTPS, followed by those between it and its authority; SIGHUP reads it again',
    ),
  tlsKey: z.string().min(1).optional().describe("PEM file of the certificate's private key, without a passphrase"),
  tlsClientCa: z
    .string()
    .min(1)
    .optional()
    .describe('PEM file of the authorities whose certificates clients must show on all but the health routes'),
  adminPort: z.coerce
    .number()
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .describe('Port on which alone, with `modelControl: explicit`, the routes of the scope `admin` answer'),
  adminHost: z.string().min(1).default('127.0.0.1').describe('Address of `adminPort`'),
  replicas: z
    .union([z.literal('auto'), z.coerce.number().int().min(1).max(256)])
    .default(1)
    .describe('Server processes that share the port; `auto` starts one for each CPU that may be used'),
  serverName: z
    .string()
    .min(1)
    .default('ortlet')
    .describe('Name in the server metadata; some clients insist on `triton`'),
  modelControl: z
    .enum(['none', 'explicit', 'poll'])
    .default('none')
    .describe(
      '`explicit` lets clients load and unload models, and change what is logged and traced, over HTTP; `poll` loads what changes on disk',
    ),
  pollIntervalMs: milliseconds(5_000).describe('How often `modelControl: poll` looks at the models'),
  loadOverrides: z
    .enum(['off', 'config', 'files'])
    .default('off')
    .describe('What a load request may bring: nothing, a configuration, or a configuration and model files'),
  defaultModel: z
    .string()
    .min(1)
    .optional()
    .describe('The model that SageMaker and Vertex AI mean when they name none; not needed where there is one alone'),
  sageMaker: flag
    .default(false)
    .describe('`true` adds `/ping` and `/invocations`, as Amazon SageMaker calls a container'),
  vertex: flag
    .default(false)
    .describe(
      '`true` adds the two routes that follow, as Vertex AI calls a container, and takes them and the port from its `AIP_HEALTH_ROUTE`, `AIP_PREDICT_ROUTE` and `AIP_HTTP_PORT`',
    ),
  vertexHealthRoute: route.default('/health').describe('Path of the health check, with `vertex: true`'),
  vertexPredictRoute: route.default('/predict').describe('Path of predictions, with `vertex: true`'),
  apiKeys: apiKeys
    .default([])
    .describe(
      'Keys that callers must send, by their hashes: `ortlet key` makes one and its line; in the environment `name:sha256:infer+metrics:100`, the last a rate per second',
    ),
  maxBodyBytes: bytes(64 * 1024 ** 2).describe('Size of a request body at most'),
  maxInFlightBytes: bytes(512 * 1024 ** 2).describe(
    'Size of all request bodies being served at most, and of all large bodies and answers on their way',
  ),
  maxConnections: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Connections at most, fewer where the process may open too few files; with `replicas`, of each'),
  readyModels: z
    .preprocess(
      (value) => (typeof value === 'string' && value !== 'all' && value !== 'any' ? value.split(',') : value),
      z.union(
        [z.enum(['all', 'any']), z.array(z.string().trim().min(1)).min(1)],
        'expected all, any, or names of models',
      ),
    )
    .default('all')
    .describe('Which models must be ready for the server to be: `all`, `any` one, or those named, `a,b`'),
  shutdownDelayMs: milliseconds(0, 0).describe(
    'Time after SIGTERM in which everything is served still while `ready` is 503 already, for load balancers to notice',
  ),
  drainTimeoutMs: milliseconds(20_000).describe('Longest time to finish running requests after SIGTERM'),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe(
      'Least severe log level; `debug` adds a line for each successful request, and for each that is refused for load',
    ),
  ...MODEL_SETTINGS,
});

export type Settings = z.output<typeof settingsSchema>;
export type SettingName = keyof Settings;

const modelSettingsSchema = z.object(MODEL_SETTINGS);
export type ModelSettings = z.output<typeof modelSettingsSchema>;

export const SETTING_NAMES = Object.keys(settingsSchema.shape) as SettingName[];
