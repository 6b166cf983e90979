// The API document, from the zod schemas of the protocol.

import { z } from 'zod';
import { PROTOCOL_SCHEMAS } from '../codec/schema.ts';
import { DISPATCH_REASONS } from '../inference.ts';

export type JsonObject = Record<string, unknown>;
type SchemaName = keyof typeof PROTOCOL_SCHEMAS;

export const API_INFO = {
  title: 'Ortlet',
  version: '0.1.0',
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  description: 'Inference on ONNX models over the Open Inference Protocol v2, with its binary tensor extension.',
};

/** How a server with `apiKeys` wants them; one without asks for none. */
export const API_SECURITY = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'Where the setting `apiKeys` names keys' },
} as const;

export const API_TAGS = [
  { name: 'models', description: 'The models that are loaded, each with a body that works when sent' },
  { name: 'inference', description: 'Predictions' },
  {
    name: 'dialects',
    description:
      "The same models in the words of TensorFlow Serving, KServe V1, Triton's generate, SageMaker and Vertex AI",
  },
  { name: 'health', description: 'Liveness and readiness' },
  { name: 'metadata', description: 'What is served, and how it is called' },
  { name: 'repository', description: 'What is on disk, loading and unloading' },
  { name: 'observability', description: 'Metrics and this document' },
];

/** The protocol's objects as the document's components. */
export function componentSchemas(): JsonObject {
  const schemas: JsonObject = {};
  for (const schema of Object.values(PROTOCOL_SCHEMAS)) {
    const { $defs } = z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' });
    Object.assign(schemas, withoutIds($defs as Record<string, JsonObject>));
  }
  return JSON.parse(
    JSON.stringify(schemas)
      .replaceAll('#/$defs/', '#/components/schemas/')
      // zod bounds every integer by 2^53; as a statement about tensors that is noise.
      .replaceAll(/,"maximum":9007199254740991|,"minimum":-9007199254740991/g, ''),
  ) as JsonObject;
}

function withoutIds(definitions: Record<string, JsonObject>): JsonObject {
  return Object.fromEntries(Object.entries(definitions).map(([name, { id: _, ...schema }]) => [name, schema]));
}

/** Fastify route schema pieces for the document. Nothing is validated by them: routes check their own bodies. */
export function describeRoute(route: {
  operationId: string;
  summary: string;
  tag: (typeof API_TAGS)[number]['name'];
  body?: SchemaName;
  binary?: boolean;
  response?: SchemaName;
  /** Media type of an answer that is not JSON. */
  responseType?: string;
  /** Headers by name; those of the answer are on its success. */
  /** Parameters of the query by name. */
  query?: JsonObject;
  requestHeaders?: JsonObject;
  responseHeaders?: JsonObject;
  errors?: readonly number[];
}): JsonObject {
  const { operationId, summary, tag, body, binary, response, responseType, errors = [] } = route;
  const { query, requestHeaders, responseHeaders } = route;
  const media = (name: SchemaName) => ({
    'application/json': { schema: reference(name) },
    ...(binary ? { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } : {}),
  });
  return {
    operationId,
    summary,
    tags: [tag],
    ...(body ? { body: { content: media(body) } } : {}),
    ...(query ? { querystring: { type: 'object', properties: query } } : {}),
    ...(requestHeaders ? { headers: { type: 'object', properties: requestHeaders } } : {}),
    response: {
      200: {
        description: 'Success',
        ...(responseHeaders ? { headers: responseHeaders } : {}),
        ...(response ? { content: media(response) } : {}),
        ...(responseType ? { content: { [responseType]: { schema: { type: 'string' } } } } : {}),
        // The plugin's way of saying that there is no body.
        ...(response || responseType ? {} : { type: 'null' }),
      },
      ...Object.fromEntries(errors.map((status) => [status, errorAnswer(status)])),
    },
  };
}

/** The answer of a status other than 200. */
export function errorAnswer(status: number): JsonObject {
  return {
    description: ERROR_TEXTS[status] ?? 'Error',
    ...(status === 503 || status === 429 ? { headers: { 'Retry-After': RETRY_AFTER } } : {}),
    content: { 'application/json': { schema: reference('errorResponse') } },
  };
}

const ERROR_TEXTS: Record<number, string> = {
  400: 'The request or a tensor is wrong; the message says where',
  401: 'No key, or one that is not known',
  403: 'Not allowed by the configuration, to this key, or without a client certificate',
  404: 'No such model, version or route',
  413: 'The body is too large',
  415: 'The body has an encoding other than gzip and deflate',
  422: 'The model refused these values, or could not be loaded',
  429: 'The key has used up its requests per second',
  500: 'A defect of the server, or a request that killed two engines',
  503: 'Not ready, full, or timed out while waiting; retry after `Retry-After`',
  504: 'The deadline passed while the model ran',
};

const RETRY_AFTER = { type: 'integer', minimum: 1, description: 'Seconds; left out where a retry does not help' };

export const TIMEOUT_HEADER = 'x-request-timeout-ms';

const TIMEOUT_HEADERS = {
  [TIMEOUT_HEADER]: { type: 'integer', minimum: 1, maximum: 999_999_999, description: 'Time the request may take' },
};

export const INFER_REQUEST_HEADERS = {
  'Inference-Header-Content-Length': {
    type: 'integer',
    minimum: 0,
    description: 'Length of the JSON in front of binary tensors; 0: the whole body is the one input',
  },
  ...TIMEOUT_HEADERS,
};

const TIMING_HEADERS = {
  'Server-Timing': { type: 'string', description: 'Milliseconds of decode, queue, compute and encode' },
  'ortlet-model-version': { type: 'string', description: 'The version that answered' },
  'ortlet-batch-rows': { type: 'integer', minimum: 0, description: 'Rows of the run that this answer comes from' },
  'ortlet-dispatch-reason': {
    type: 'string',
    enum: Object.keys(DISPATCH_REASONS),
    description: 'Why the run began when it did',
  },
};

export const INFER_RESPONSE_HEADERS = {
  'Inference-Header-Content-Length': { type: 'integer', minimum: 0, description: 'Where outputs are binary' },
  ...TIMING_HEADERS,
};

export const INFER_ERRORS = [400, 404, 413, 415, 422, 500, 503, 504] as const;

/** What every dialect's inference has in common. */
export const DIALECT_INFERENCE = {
  tag: 'dialects',
  requestHeaders: TIMEOUT_HEADERS,
  responseHeaders: TIMING_HEADERS,
  errors: INFER_ERRORS,
} as const;

function reference(name: SchemaName): JsonObject {
  return { $ref: `#/components/schemas/${PROTOCOL_SCHEMAS[name].meta()?.id}` };
}

/** The document as parse-body.ts has it: a body for which `{}` would do may be left out, which the plugin cannot be told. */
export function withOptionalBodies(document: JsonObject): JsonObject {
  for (const [name, schema] of Object.entries(PROTOCOL_SCHEMAS)) {
    if (!schema.safeParse({}).success) continue;
    const { $ref } = reference(name as SchemaName);
    for (const { post } of Object.values((document.paths ?? {}) as Record<string, { post?: Operation }>)) {
      const body = post?.requestBody;
      if (body && body.content['application/json']?.schema.$ref === $ref) body.required = false;
    }
  }
  return document;
}

export interface Operation {
  readonly parameters: readonly { readonly name: string }[];
  readonly requestBody?: { required: boolean; readonly content: Record<string, { readonly schema: JsonObject }> };
  readonly responses: Record<string, JsonObject>;
}
