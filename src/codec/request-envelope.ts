// The JSON part of a request, common to both codecs: parsed, checked against the schema, turned into tensors.

import type { z } from 'zod';
import { ServingError } from '../errors.ts';
import { DATATYPE_NAMES, type Datatype } from '../tensor/datatype.ts';
import { allocate, elementCount, type Tensor, type TensorData } from '../tensor/tensor.ts';
import type { DecodedRequest, EncodedOutput } from './codec.ts';
import { readElements } from './json-elements.ts';
import type { JsonRange } from './lifted-json.ts';
import { RecentDocuments } from './recent-documents.ts';
import {
  checkCount,
  checkParameters,
  checkStrings,
  invalid,
  MOST_PARAMETERS,
  printPath,
  readPriority,
  readTimeout,
} from './request-parts.ts';
import { inferRequest, MOST_DIMENSIONS, MOST_TENSORS } from './schema.ts';

export type RequestInput = z.output<typeof inferRequest>['inputs'][number];

/** Gives the elements of an input that carries `binary_data_size`. */
export type BlobReader = (input: RequestInput, byteSize: number, length: number) => TensorData;

const LETTER_N = 0x6e;
/** Elements of one tensor at most, whatever its shape says. */
const MOST_ELEMENTS = 2 ** 28;

const documents = new RecentDocuments(isTensorData, checkEnvelope, ({ id }) => !id);

/** @throws ServingError INVALID_REQUEST or INVALID_INPUT */
export function decodeEnvelope(bytes: Buffer, readBlob: BlobReader): DecodedRequest {
  const { value: request, ranges } = documents.read(bytes);
  const inputs = new Map<string, Tensor>();
  let strings = 0;
  for (const input of request.inputs) {
    if (input.datatype === 'BYTES') strings += elementCount(input.shape);
    checkStrings(strings);
    if (inputs.has(input.name)) throw invalid(`input '${input.name}' already exists in request`);
    inputs.set(input.name, readTensor(input, readBlob, bytes, ranges));
  }
  return {
    id: request.id || undefined,
    inputs,
    outputs: request.outputs?.length ? readOutputs(request.outputs) : undefined,
    binaryOutput: request.parameters?.binary_data_output === true,
    timeoutUs: readTimeout(request.parameters),
    priority: readPriority(request.parameters),
  };
}

/** inputs[…].data */
function isTensorData(path: readonly string[]): boolean {
  return path.length === 3 && path[2] === 'data' && path[0] === 'inputs' && path[1] === '';
}

function checkEnvelope(request: unknown): z.output<typeof inferRequest> {
  if (isPlainRequest(request)) return request;
  checkCounts(request);
  const { success, data, error } = inferRequest.safeParse(request);
  if (!success) {
    const [issue] = error.issues;
    throw invalid(`Unable to parse '${printPath(issue?.path ?? [])}': ${issue?.message}`);
  }
  checkParameters(data.parameters);
  return data;
}

/** Before the schema looks at each member: its verdict on a long list of wrong ones would take far more memory than the list. */
function checkCounts(request: unknown): void {
  const { inputs, outputs, parameters } = (request ?? {}) as Record<string, unknown>;
  checkCount('parameters', parameters, MOST_PARAMETERS);
  for (const [name, list] of [
    ['inputs', inputs],
    ['outputs', outputs],
  ] as const) {
    checkCount(name, list, MOST_TENSORS);
    if (!Array.isArray(list)) continue;
    for (const [i, tensor] of list.entries()) {
      const { shape, parameters: own } = (tensor ?? {}) as Record<string, unknown>;
      checkCount(`${name}[${i}].shape`, shape, MOST_DIMENSIONS);
      checkCount(`${name}[${i}].parameters`, own, MOST_PARAMETERS);
    }
  }
}

/**
 * The request that nearly all are: inputs with data or a binary size, perhaps a wish for binary outputs, and nothing else.
 * What passes here passes the schema unchanged, in a tenth of the time; everything else, every mistake above all, is the
 * schema's to judge.
 */
export function isPlainRequest(request: unknown): request is z.output<typeof inferRequest> {
  if (!isObjectOf(request, REQUEST_KEYS)) return false;
  const { inputs, parameters } = request;
  if (parameters !== undefined && !isObjectOf(parameters, ['binary_data_output'])) return false;
  if (parameters && typeof parameters.binary_data_output !== 'boolean') return false;
  return Array.isArray(inputs) && inputs.length <= MOST_TENSORS && inputs.every(isPlainInput);
}

const REQUEST_KEYS = ['inputs', 'parameters'];
const INPUT_KEYS = ['name', 'shape', 'datatype', 'data', 'parameters'];

function isPlainInput(input: unknown): boolean {
  if (!isObjectOf(input, INPUT_KEYS)) return false;
  const { name, shape, datatype, parameters } = input;
  if (parameters !== undefined && !isObjectOf(parameters, ['binary_data_size'])) return false;
  if (parameters && typeof parameters.binary_data_size !== 'number') return false;
  return (
    typeof name === 'string' &&
    DATATYPE_NAMES.includes(datatype as Datatype) &&
    Array.isArray(shape) &&
    shape.length <= MOST_DIMENSIONS &&
    shape.every((size) => Number.isSafeInteger(size) && size >= 0)
  );
}

/** An object, and no array, with none but these keys. */
function isObjectOf(value: unknown, keys: readonly string[]): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const key in value) if (!keys.includes(key)) return false;
  return true;
}

function readTensor(input: RequestInput, readBlob: BlobReader, bytes: Buffer, ranges: readonly JsonRange[]): Tensor {
  const { name, datatype, shape, parameters } = input;
  // Null counts as left out: KServe's client writes it for tensors in binary form that have no elements.
  const range = isNull(bytes, ranges[input.data as number]) ? undefined : ranges[input.data as number];
  const length = elementCount(shape);
  if (length > MOST_ELEMENTS) {
    throw new ServingError(
      'INVALID_INPUT',
      `shape [${shape}] of input '${name}' causes total element count to exceed maximum size of ${MOST_ELEMENTS}`,
    );
  }
  const byteSize = parameters?.binary_data_size;
  if (parameters && 'shared_memory_region' in parameters) {
    throw invalid(
      `input '${name}' asks for shared memory, which this server does not offer. Send 'data' or binary data.`,
    );
  }
  if (byteSize !== undefined) {
    if (range) throw invalid(`input '${name}' has both 'data' and 'binary_data_size'. Send one of them.`);
    if (!Number.isSafeInteger(byteSize) || (byteSize as number) < 0) {
      throw invalid(`'binary_data_size' of input '${name}' must be a number of bytes, got ${JSON.stringify(byteSize)}`);
    }
    if (byteSize === 0 && length === 0) return { datatype, shape, data: emptyData(datatype) };
    return { datatype, shape, data: readBlob(input, byteSize as number, length) };
  }
  if (!range) throw invalid(`input '${name}' has neither 'data' nor 'binary_data_size'`);
  return { datatype, shape, data: readElements({ name, datatype, bytes, range }, length) };
}

function isNull(bytes: Buffer, range: JsonRange | undefined): boolean {
  return range !== undefined && bytes[range.start] === LETTER_N;
}

function emptyData(datatype: Datatype): TensorData {
  return datatype === 'BYTES' ? [] : allocate(datatype, 0);
}

function readOutputs(outputs: NonNullable<z.output<typeof inferRequest>['outputs']>): EncodedOutput[] {
  const seen = new Set<string>();
  return outputs.map(({ name, parameters }) => {
    if (seen.has(name)) throw invalid(`output '${name}' already exists in request`);
    seen.add(name);
    if (parameters && 'shared_memory_region' in parameters) {
      throw invalid(`output '${name}' asks for shared memory, which this server does not offer`);
    }
    return { name, binary: parameters?.binary_data === true, classes: readClasses(name, parameters?.classification) };
  });
}

function readClasses(name: string, classes: unknown): number | undefined {
  if (classes === undefined) return undefined;
  if (Number.isSafeInteger(classes) && (classes as number) > 0) return classes as number;
  throw invalid(
    `'classification' of output '${name}' must be a number of classes from 1, got ${JSON.stringify(classes)}`,
  );
}
