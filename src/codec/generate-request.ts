// A generate request: keys that name an input become its tensor, the others are parameters of the request.

import type { z } from 'zod';
import { ServingError } from '../errors.ts';
import type { TensorMetadata } from '../tensor/signature.ts';
import { elementCount, type Tensor } from '../tensor/tensor.ts';
import type { DecodedRequest, DecodingTarget } from './codec.ts';
import { generateRequest } from './dialect-schema.ts';
import { liftJson } from './lifted-json.ts';
import { readNested } from './nested-tensor.ts';
import {
  checkCount,
  checkParameters,
  invalid,
  MOST_PARAMETERS,
  printPath,
  readPriority,
  readTimeout,
} from './request-parts.ts';

export interface GenerateRequest extends DecodedRequest {
  /** The output that is answered as `text_output`; undefined: each has its own name. */
  readonly textOutput: string | undefined;
}

const TEXT_INPUT = 'text_input';
const TEXT_OUTPUT = 'text_output';

/** @throws ServingError INVALID_REQUEST or INVALID_INPUT */
export function decodeGenerate(bytes: Buffer, model: DecodingTarget): GenerateRequest {
  const keys = inputKeys(model);
  const { value, ranges } = liftJson(bytes, (path) => isInput(path, keys));
  const { id, parameters = {}, ...members } = checkEnvelope(value);
  const inputs = new Map<string, Tensor>();
  const others: Record<string, unknown> = Object.create(null);
  let aliased = false;
  // `parameters` may hold all that stands beside it.
  for (const [key, content] of [...Object.entries(members), ...Object.entries(parameters)]) {
    const input = keys.get(key);
    if (!input) {
      others[key] = content;
      continue;
    }
    const { name, datatype } = input;
    if (inputs.has(name)) throw invalid(`input '${name}' already exists in request`);
    const values = readNested({ name, datatype, bytes, range: ranges[content as number]!, member: key });
    aliased ||= key !== name;
    inputs.set(name, { ...values, shape: fitShape(input, values.shape) });
  }
  checkParameters(others);
  return {
    id: id || undefined,
    inputs,
    outputs: undefined,
    binaryOutput: false,
    timeoutUs: readTimeout(others),
    priority: readPriority(others),
    textOutput: aliased ? onlyText(model.signature.outputs, TEXT_OUTPUT)?.name : undefined,
  };
}

/** The inputs by the keys that name them: their own names, and `text_input` for the one that is text. */
function inputKeys({ signature }: DecodingTarget): ReadonlyMap<string, TensorMetadata> {
  const keys = new Map(signature.inputs.map((input) => [input.name, input]));
  const text = onlyText(signature.inputs, TEXT_INPUT);
  if (text) keys.set(TEXT_INPUT, text);
  return keys;
}

/** The one BYTES tensor, unless there are others or one has the name already. */
function onlyText(tensors: readonly TensorMetadata[], alias: string): TensorMetadata | undefined {
  const [only, ...others] = tensors.filter(({ datatype }) => datatype === 'BYTES');
  return others.length === 0 && tensors.every(({ name }) => name !== alias) ? only : undefined;
}

/** `<input>` or `parameters.<input>` */
function isInput(path: readonly string[], keys: ReadonlyMap<string, TensorMetadata>): boolean {
  return path.length <= 2 && (path.length === 1 || path[0] === 'parameters') && keys.has(path.at(-1)!);
}

function checkEnvelope(value: unknown): z.output<typeof generateRequest> {
  checkCounts('request', value);
  checkCounts('parameters', (value as Record<string, unknown> | null)?.parameters);
  const result = generateRequest.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalid(`Unable to parse '${printPath(issue?.path ?? [])}': ${issue?.message}`);
}

/** Of members, and of what each of them holds: before the schema looks at every one. */
function checkCounts(path: string, members: unknown): void {
  checkCount(path, members, MOST_PARAMETERS);
  if (typeof members !== 'object' || members === null) return;
  for (const [key, list] of Object.entries(members)) checkCount(key, list, MOST_PARAMETERS);
}

/**
 * As in Triton, the elements come without a shape: the fixed dimensions are divided out, the innermost free one takes the
 * rest, the others are 1.
 */
function fitShape({ name, shape }: TensorMetadata, given: readonly number[]): number[] {
  const length = elementCount(given);
  if (given.length > 1) throw misfit(`input '${name}' must be a value or a flat array, got ${given.length} dimensions`);
  const fixed = elementCount(shape.filter((dimension) => dimension >= 0));
  const innermost = shape.findLastIndex((dimension) => dimension < 0);
  const fitted = shape.map((dimension, axis) => (axis === innermost ? length / fixed : Math.abs(dimension)));
  if (elementCount(fitted) === length && Number.isInteger(fitted[innermost] ?? 0)) return fitted;
  throw misfit(`input '${name}' has ${length} elements, which do not fill its shape [${shape}]`);
}

function misfit(message: string): ServingError {
  return new ServingError('INVALID_INPUT', message);
}
