// Inputs that a request may leave out: an ONNX graph may hold a value for one of its inputs (an initializer of the same
// name). onnxruntime-node takes such a value for good, whatever it is given, so the value is taken out of the file and
// handed in with each request that brings none.

import { readFileSync } from 'node:fs';
import { ServingError } from '../errors.ts';
import type { NamedTensors, Tensor } from '../tensor/tensor.ts';
import { readTensorProto } from './onnx-tensor.ts';
import { readFields, readMessage, writeField } from './protobuf.ts';
import type { ModelSource } from './source.ts';

/** The file without those values, which stand beside it. */
export interface SplitModel {
  readonly content: Uint8Array | undefined;
  readonly values: NamedTensors;
}

// onnx.proto
const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const GRAPH_INPUT = 11;
const VALUE_NAME = 1;
const TENSOR_NAME = 8;
const TENSOR_DATA_LOCATION = 14;

/**
 * @returns the source's own content and no values where the configuration names no optional inputs
 * @throws ServingError MODEL_LOAD_FAILED for a name that is no input, or an input without a value
 */
export function splitOptionalInputs({ path, content, config }: ModelSource): SplitModel {
  const names = new Set([
    ...config.optionalInputs,
    ...(config.triton?.inputs ?? []).filter(({ optional }) => optional).map(({ name }) => name),
  ]);
  if (names.size === 0) return { content, values: new Map() };
  try {
    return split(content ?? readFileSync(path!), names);
  } catch (error) {
    if (error instanceof ServingError) throw error;
    throw new ServingError('MODEL_LOAD_FAILED', (error as Error).message, { cause: error });
  }
}

function split(file: Uint8Array, names: ReadonlySet<string>): SplitModel {
  const values = new Map<string, Tensor>();
  const inputs = new Set<string>();
  const parts = Array.from(readFields(file), ({ field, value, bytes }) => {
    if (field !== MODEL_GRAPH || !(value instanceof Uint8Array)) return bytes;
    const kept: Uint8Array[] = [];
    for (const part of readFields(value)) {
      const block = part.value instanceof Uint8Array ? part.value : undefined;
      if (block && part.field === GRAPH_INPUT) inputs.add(readMessage(block).text(VALUE_NAME));
      const name = block && part.field === GRAPH_INITIALIZER ? readMessage(block).text(TENSOR_NAME) : undefined;
      if (name !== undefined && names.has(name)) values.set(name, readValue(name, block!));
      else kept.push(part.bytes);
    }
    return writeField(MODEL_GRAPH, kept);
  });
  for (const name of names) {
    const missing = inputs.has(name) ? 'has no value in the file' : 'is no input of the file';
    if (!values.has(name) || !inputs.has(name)) throw refuse(name, missing);
  }
  return { content: Buffer.concat(parts), values };
}

function readValue(name: string, block: Uint8Array): Tensor {
  if (readMessage(block).number(TENSOR_DATA_LOCATION) !== 0) throw refuse(name, 'has its value in another file');
  const { tensor } = readTensorProto(block);
  if (!tensor) throw refuse(name, 'is of a type that the protocol does not know');
  return tensor;
}

function refuse(name: string, what: string): ServingError {
  return new ServingError('MODEL_LOAD_FAILED', `its configuration calls input '${name}' optional, but it ${what}`);
}
