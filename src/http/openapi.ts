// The API document: from the zod schemas of the protocol, and for a running server one operation for each loaded model
// with its real tensors and a body that works when sent.

import { z } from 'zod';
import { printOutput } from '../codec/json-codec.ts';
import { PROTOCOL_SCHEMAS } from '../codec/schema.ts';
import type { Model } from '../model/model.ts';
import type { Datatype } from '../tensor/datatype.ts';
import type { TensorMetadata } from '../tensor/signature.ts';
import type { NamedTensors } from '../tensor/tensor.ts';

type JsonObject = Record<string, unknown>;
type SchemaName = keyof typeof PROTOCOL_SCHEMAS;

export const API_INFO = {
  title: 'Ortlet',
  version: '0.1.0',
  license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  description: 'Inference on ONNX models over the Open Inference Protocol v2, with its binary tensor extension.',
};

export const API_TAGS = [
  { name: 'models', description: 'The models that are loaded, each with a body that works when sent' },
  { name: 'inference', description: 'Predictions' },
  { name: 'health', description: 'Liveness and readiness' },
  { name: 'metadata', description: 'What is served, and how it is called' },
  { name: 'repository', description: 'What is on disk, loading and unloading' },
  { name: 'observability', description: 'Metrics and this document' },
];

/** The protocol's objects as the document's components. */
export function componentSchemas(): JsonObject {
  const schemas: JsonObject = {};
  for (const schema of Object.values(PROTOCOL_SCHEMAS)) {
    const {
      $schema: _,
      id,
      $defs,
      ...converted
    } = z.toJSONSchema(schema as z.ZodType, { io: 'input', unrepresentable: 'any' }) as JsonObject & { id: string };
    Object.assign(schemas, withoutIds($defs as Record<string, JsonObject> | undefined), { [id]: converted });
  }
  return JSON.parse(
    JSON.stringify(schemas)
      .replaceAll('#/$defs/', '#/components/schemas/')
      // zod bounds every integer by 2^53; as a statement about tensors that is noise.
      .replaceAll(/,"maximum":9007199254740991|,"minimum":-9007199254740991/g, ''),
  ) as JsonObject;
}

function withoutIds(definitions: Record<string, JsonObject> = {}): JsonObject {
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
  errors?: readonly number[];
}): JsonObject {
  const { operationId, summary, tag, body, binary, response, responseType, errors = [] } = route;
  const media = (name: SchemaName) => ({
    'application/json': { schema: reference(name) },
    ...(binary ? { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } : {}),
  });
  return {
    operationId,
    summary,
    tags: [tag],
    ...(body ? { body: { content: media(body) } } : {}),
    response: {
      200: {
        description: 'Success',
        ...(response ? { content: media(response) } : {}),
        ...(responseType ? { content: { [responseType]: { schema: { type: 'string' } } } } : {}),
      },
      ...Object.fromEntries(
        errors.map((status) => [
          status,
          {
            description: ERROR_TEXTS[status] ?? 'Error',
            content: { 'application/json': { schema: reference('errorResponse') } },
          },
        ]),
      ),
    },
  };
}

const ERROR_TEXTS: Record<number, string> = {
  400: 'The request or a tensor is wrong; the message says where',
  403: 'Not allowed by the configuration',
  404: 'No such model or version',
  413: 'The body is too large',
  415: 'The body has an encoding other than gzip and deflate',
  422: 'The model refused these values, or could not be loaded',
  500: 'A defect of the server, or a request that killed two engines',
  503: 'Not ready, full, or timed out while waiting; retry after `Retry-After`',
  504: 'The deadline passed while the model ran',
};

export const INFER_ERRORS = [400, 404, 413, 415, 422, 500, 503, 504] as const;

function reference(name: SchemaName): JsonObject {
  return { $ref: `#/components/schemas/${PROTOCOL_SCHEMAS[name].meta()?.id}` };
}

/** The document with one more operation for each loaded model. */
export function withModels(document: JsonObject, models: readonly Model[]): JsonObject {
  const paths: JsonObject = {};
  for (const model of models) {
    paths[`/v2/models/${encodeURIComponent(model.name)}/versions/${model.version}/infer`] = {
      post: modelOperation(model),
    };
  }
  return { ...document, paths: { ...paths, ...(document.paths as JsonObject) } };
}

function modelOperation({ name, version, signature, facts }: Model): JsonObject {
  const example = facts.sample && sampleBody(facts.sample);
  const errors = describeRoute({ operationId: '', summary: '', tag: 'inference', errors: INFER_ERRORS })
    .response as JsonObject;
  return {
    operationId: `infer_${name}_${version}`.replaceAll(/[^A-Za-z0-9_]/g, '_'),
    summary: `Run ${name}, version ${version}`,
    description: describeSignature(signature.inputs, signature.outputs),
    tags: ['models'],
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: tensorsSchema('inputs', signature.inputs),
          ...(example ? { example } : {}),
        },
      },
    },
    responses: {
      ...errors,
      200: {
        description: 'The outputs',
        content: { 'application/json': { schema: tensorsSchema('outputs', signature.outputs) } },
      },
    },
  };
}

/** A request body with these tensors, or undefined when it would be too large to show. */
function sampleBody(inputs: NamedTensors): JsonObject | undefined {
  let elements = 0;
  for (const { data } of inputs.values()) elements += data.length;
  if (elements > 4096) return undefined;
  return JSON.parse(
    `{"inputs":[${Array.from(inputs, ([name, tensor]) => printOutput(name, tensor)).join()}]}`,
  ) as JsonObject;
}

function describeSignature(inputs: readonly TensorMetadata[], outputs: readonly TensorMetadata[]): string {
  const list = (tensors: readonly TensorMetadata[]) =>
    tensors.map(({ name, datatype, shape }) => `\`${name}\` ${datatype} [${shape.join(', ')}]`).join(', ');
  return `Inputs: ${list(inputs)}. Outputs: ${list(outputs)}. -1 is a dimension of any size.`;
}

function tensorsSchema(key: 'inputs' | 'outputs', tensors: readonly TensorMetadata[]): JsonObject {
  return {
    type: 'object',
    required: [key],
    properties: {
      ...(key === 'inputs'
        ? { id: { type: 'string' } }
        : { model_name: { type: 'string' }, model_version: { type: 'string' }, id: { type: 'string' } }),
      [key]: {
        type: 'array',
        minItems: tensors.length,
        maxItems: tensors.length,
        items: { oneOf: tensors.map(tensorSchema) },
      },
    },
  };
}

function tensorSchema({ name, datatype, shape }: TensorMetadata): JsonObject {
  return {
    type: 'object',
    required: ['name', 'datatype', 'shape', 'data'],
    properties: {
      name: { const: name },
      datatype: { const: datatype },
      shape: {
        type: 'array',
        prefixItems: shape.map((size) => (size < 0 ? { type: 'integer', minimum: 0 } : { const: size })),
        minItems: shape.length,
        maxItems: shape.length,
      },
      data: { type: 'array', items: elementSchema(datatype) },
    },
  };
}

function elementSchema(datatype: Datatype): JsonObject {
  if (datatype === 'BYTES') return { type: 'string' };
  if (datatype === 'BOOL') return { type: 'boolean' };
  return { type: datatype.startsWith('FP') ? 'number' : 'integer' };
}
