// The API document of a running server: one operation for each loaded model, with its real tensors and a body that works
// when sent.

import { printOutput } from '../codec/json-codec.ts';
import { LONGEST_ID } from '../codec/schema.ts';
import type { Model } from '../model/model.ts';
import { type Datatype, traitsOf } from '../tensor/datatype.ts';
import type { TensorMetadata } from '../tensor/signature.ts';
import { elementCount, type NamedTensors } from '../tensor/tensor.ts';
import { type JsonObject, type Operation, TIMEOUT_HEADER } from './openapi.ts';

/** The document with one more operation for each loaded model. */
export function withModels(document: JsonObject, models: readonly Model[]): JsonObject {
  const general = document.paths as Record<string, { readonly post: Operation }>;
  const infer = general['/v2/models/{model}/versions/{version}/infer']!.post;
  const paths: JsonObject = {};
  for (const model of models) {
    paths[`/v2/models/${encodeURIComponent(model.name)}/versions/${model.version}/infer`] = {
      post: modelOperation(model, infer),
    };
  }
  return { ...document, paths: { ...paths, ...general } };
}

function modelOperation({ name, version, signature, facts }: Model, { parameters, responses }: Operation): JsonObject {
  const example = facts.sample && sampleBody(facts.sample);
  return {
    operationId: `infer_${name}_${version}`.replaceAll(/[^A-Za-z0-9_]/g, '_'),
    summary: `Run ${name}, version ${version}`,
    description: describeSignature(signature.inputs, signature.outputs),
    tags: ['models'],
    parameters: parameters.filter((parameter) => parameter.name === TIMEOUT_HEADER),
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
      ...responses,
      200: {
        ...responses[200],
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
  const schemas = tensors.map((tensor) => tensorSchema(key, tensor));
  return {
    type: 'object',
    required: [key],
    properties: {
      ...(key === 'inputs'
        ? { id: { type: 'string', maxLength: LONGEST_ID } }
        : { model_name: { type: 'string' }, model_version: { type: 'string' }, id: { type: 'string' } }),
      [key]: {
        type: 'array',
        minItems: tensors.length,
        maxItems: tensors.length,
        items: schemas.length === 1 ? schemas[0] : { oneOf: schemas },
        ...(tensors.length > 1 ? { allOf: tensors.map(({ name }) => ({ contains: named(name) })) } : {}),
      },
    },
  };
}

function named(name: string): JsonObject {
  return { properties: { name: { const: name } }, required: ['name'] };
}

function tensorSchema(key: 'inputs' | 'outputs', { name, datatype, shape }: TensorMetadata): JsonObject {
  const length = shape.every((size) => size >= 0) ? elementCount(shape) : undefined;
  return {
    type: 'object',
    required: ['name', 'datatype', 'shape', 'data'],
    properties: {
      name: { const: name },
      datatype: { const: datatype },
      shape: {
        type: 'array',
        // JSON Schema has no empty tuples.
        ...(shape.length > 0
          ? { prefixItems: shape.map((size) => (size < 0 ? { type: 'integer', minimum: 0 } : { const: size })) }
          : {}),
        minItems: shape.length,
        maxItems: shape.length,
      },
      data: {
        type: 'array',
        items: key === 'inputs' ? { ...elementSchema(datatype), ...ELEMENT_BOUNDS[datatype] } : elementSchema(datatype),
        ...(length === undefined ? {} : { minItems: length, maxItems: length }),
      },
    },
  };
}

/** Writes bounds of 64 bits with all their digits; TypeScript does not know it yet. */
const JSON_TEXT = JSON as unknown as { rawJSON(text: string): unknown };

function elementSchema(datatype: Datatype): JsonObject {
  if (datatype === 'BYTES') return { type: 'string' };
  if (datatype === 'BOOL') return { type: 'boolean' };
  if (datatype.startsWith('FP')) return { type: 'number' };
  const [minimum, maximum] = traitsOf(datatype).range!.map((bound) => JSON_TEXT.rawJSON(`${bound}`));
  return { type: 'integer', minimum, maximum };
}

/** What elements of a request may be beyond their type: numbers that round to a finite one, text that stays as it is. */
const ELEMENT_BOUNDS: Partial<Record<Datatype, JsonObject>> = {
  FP16: { exclusiveMinimum: -65_520, exclusiveMaximum: 65_520 },
  FP32: { exclusiveMinimum: -(2 ** 128 - 2 ** 103), exclusiveMaximum: 2 ** 128 - 2 ** 103 },
  BYTES: { pattern: '^[^\\u0000]*$' },
};
