// What a model takes and gives, and the check that a request fits it.

import { ServingError } from '../errors.ts';
import type { Datatype } from './datatype.ts';
import { elementCount, type NamedTensors, type Tensor } from './tensor.ts';

/** `shape`: -1 is a free dimension; `symbols` are the file's names for the dimensions ('' or a number's place: none). */
export interface TensorMetadata {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly symbols?: readonly string[];
  /** Of an input that a request may leave out. */
  readonly defaultValue?: Tensor | undefined;
}

export interface TensorSignature {
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

export interface ModelSignature extends TensorSignature {
  /** Whether rows of several requests may share one run. */
  readonly batchable: boolean;
  /** Whether the first dimension of every tensor counts rows, be they batched or not. */
  readonly hasRows: boolean;
}

/**
 * Checks names, datatypes and shapes of a request against the signature, and that all inputs have as many rows.
 * @returns the inputs in the signature's order
 * @throws ServingError INVALID_INPUT naming the input, what was expected and what came
 */
export function checkInputs(signature: ModelSignature, model: string, inputs: NamedTensors): NamedTensors {
  const ordered = new Map<string, Tensor>();
  let rows: number | undefined;
  for (const expected of signature.inputs) {
    const tensor = inputs.get(expected.name) ?? expected.defaultValue;
    if (!tensor) throw wrongInputs(signature, model, inputs);
    checkTensor(expected, tensor, model);
    if (signature.hasRows) {
      rows ??= tensor.shape[0];
      if (tensor.shape[0] !== rows) {
        throw new ServingError(
          'INVALID_INPUT',
          `input '${expected.name}' batch size does not match other inputs for '${model}': ` +
            `its first dimension is ${tensor.shape[0]}, the first input's is ${rows}. Send the same number of rows in each.`,
        );
      }
    }
    ordered.set(expected.name, tensor);
  }
  for (const name of inputs.keys()) if (!ordered.has(name)) throw wrongInputs(signature, model, inputs);
  return ordered;
}

function checkTensor({ name, datatype, shape }: TensorMetadata, tensor: Tensor, model: string): void {
  if (tensor.datatype !== datatype) {
    throw new ServingError(
      'INVALID_INPUT',
      `inference input '${name}' data-type is '${tensor.datatype}', but model '${model}' expects '${datatype}'`,
    );
  }
  const fits =
    tensor.shape.length === shape.length &&
    shape.every((dimension, i) => dimension < 0 || dimension === tensor.shape[i]);
  if (!fits) {
    throw new ServingError(
      'INVALID_INPUT',
      `unexpected shape for input '${name}' for model '${model}'. ` +
        `Expected ${printShape(shape)}, got ${printShape(tensor.shape)}${hint(shape, tensor.shape)}`,
    );
  }
}

function printShape(shape: readonly number[]): string {
  return `[${shape.join(',')}]`;
}

function hint(expected: readonly number[], got: readonly number[]): string {
  if (expected.length === got.length + 1 && expected[0] === -1) {
    const row = elementCount(expected.slice(1));
    if (row < 0 || row === elementCount(got))
      return `. The first dimension counts rows: send ${printShape([1, ...got])}`;
  }
  return expected.includes(-1) ? ' (-1 stands for any size)' : '';
}

function wrongInputs(signature: ModelSignature, model: string, inputs: NamedTensors): ServingError {
  const names = signature.inputs.map((input) => input.name);
  const unknown = [...inputs.keys()].find((name) => !names.includes(name));
  if (unknown !== undefined) {
    return new ServingError(
      'INVALID_INPUT',
      `unexpected inference input '${unknown}' for model '${model}'. Its inputs are ${quoteAll(names)}.`,
    );
  }
  const required = signature.inputs.filter((input) => !input.defaultValue).map((input) => input.name);
  const missing = required.filter((name) => !inputs.has(name));
  const count =
    required.length === names.length
      ? `${names.length} inputs`
      : `number of inputs between ${required.length} and ${names.length}`;
  return new ServingError(
    'INVALID_INPUT',
    `expected ${count} but got ${inputs.size} inputs for model '${model}'. ` +
      `Got input(s) [${quoteAll([...inputs.keys()])}], but missing required input(s) [${quoteAll(missing)}]. ` +
      'Please provide all required input(s).',
  );
}

function quoteAll(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}
