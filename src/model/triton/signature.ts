// A configuration for Triton laid over the file's own signature: what clients see of the model, and how tensors get from
// the one to the other.

import { ServingError } from '../../errors.ts';
import type { Reshape, Reshapes } from '../../tensor/reshape.ts';
import type { TensorMetadata, TensorSignature } from '../../tensor/signature.ts';
import type { TritonInput, TritonModel, TritonTensor } from './translation.ts';

export interface ConfiguredSignature {
  /** What clients send and get, in the configuration's order. */
  readonly client: TensorSignature;
  /** What the engine takes and gives: the file's, with free dimensions fixed where the configuration fixes them. */
  readonly model: TensorSignature;
  /** Tensors whose shape is another one for clients. */
  readonly reshapes: { readonly inputs: Reshapes; readonly outputs: Reshapes };
  /** Outputs of the file that the configuration leaves out. */
  readonly hiddenOutputs: readonly { readonly name: string; readonly reason: string }[];
  /** Whether the first dimension of every tensor counts rows. */
  readonly hasRows: boolean;
}

/**
 * Triton's rules (onnxruntime_backend: ValidateInputs, ValidateOutputs, CompareDimsSupported): the inputs are those of the
 * file, of the outputs some may be left out; datatypes are equal; an input's dimension may fix a free one of the file but
 * not the other way round; an output's is the file's, or -1. A scalar has dims that are all 1.
 *
 * @throws ServingError MODEL_LOAD_FAILED naming the tensor, what the configuration has and what the file
 */
export function configureSignature(config: TritonModel, file: TensorSignature): ConfiguredSignature {
  const hasRows = (config.maxBatchSize ?? (rowsEverywhere(file) ? 1 : 0)) > 0;
  const inputs = configureInputs(config.inputs, file.inputs, hasRows);
  const outputs = configureOutputs(config.outputs, file.outputs, hasRows);
  return {
    client: { inputs: inputs.map(({ client }) => client), outputs: outputs.map(({ client }) => client) },
    model: { inputs: narrow(file.inputs, inputs), outputs: narrow(file.outputs, outputs) },
    reshapes: { inputs: reshapesOf(inputs), outputs: reshapesOf(outputs) },
    hiddenOutputs: file.outputs
      .filter(({ name }) => !outputs.some(({ client }) => client.name === name))
      .map(({ name }) => ({ name, reason: 'is not among the outputs of its configuration' })),
    hasRows,
  };
}

/** One tensor under both views; `reshape` where they are different shapes of the same elements. */
interface Pair {
  readonly client: TensorMetadata;
  readonly model: TensorMetadata;
  readonly reshape?: Reshape;
}

function configureInputs(config: readonly TritonInput[], file: readonly TensorMetadata[], hasRows: boolean): Pair[] {
  if (config.length === 0) return file.map((input) => unchanged('input', input, hasRows));
  const missing = file.find(({ name }) => !config.some((input) => input.name === name));
  if (missing) throw mismatch(`expected the inputs ${quoteAll(config)}, found '${missing.name}' too`);
  return config.map((input) => configure('input', input, file, hasRows, fixesFree));
}

function configureOutputs(config: readonly TritonTensor[], file: readonly TensorMetadata[], hasRows: boolean): Pair[] {
  if (config.length === 0) return file.map((output) => unchanged('output', output, hasRows));
  return config.map((output) => configure('output', output, file, hasRows, equalOrFree));
}

const fixesFree = (configured: number, inFile: number) => inFile < 0 || configured === inFile;
const equalOrFree = (configured: number, inFile: number) => configured < 0 || configured === inFile;

function configure(
  kind: string,
  config: TritonTensor,
  file: readonly TensorMetadata[],
  hasRows: boolean,
  agree: typeof fixesFree,
): Pair {
  const { name, datatype, dims, modelDims } = config;
  const found = file.find((tensor) => tensor.name === name);
  if (!found) throw mismatch(`expected an ${kind} '${name}', found ${quoteAll(file)}`);
  if (found.datatype !== datatype)
    throw mismatch(`expected ${kind} '${name}' to be ${datatype}, found ${found.datatype}`);
  const rows = hasRows ? [-1] : [];
  const client = { name, datatype, shape: [...rows, ...dims] };
  const shape = [...rows, ...modelDims];
  if (found.shape.length === 0 && isScalar(modelDims) && !(kind === 'input' && hasRows)) {
    return { client, model: found, ...(hasRows ? {} : { reshape: { client: dims, model: [] } }) };
  }
  const fits =
    shape.length === found.shape.length &&
    shape.every((dimension, axis) => agree(dimension, found.shape[axis]!)) &&
    (!hasRows || found.shape[0] === -1);
  if (!fits)
    throw mismatch(`expected ${kind} '${name}' to have the shape ${show(shape, hasRows)}, found ${show(found.shape)}`);
  const model = { ...found, shape: found.shape.map((dimension, axis) => (dimension < 0 ? shape[axis]! : dimension)) };
  if (!sameShape(client.shape, shape)) return { client, model, reshape: { client: client.shape, model: shape } };
  return { client: { ...found, shape }, model };
}

/** The file of a scalar has no dimensions, and neither has one that does not know them; a configuration has some, all 1. */
function isScalar(dims: readonly number[]): boolean {
  return dims.every((dimension) => dimension === 1);
}

function unchanged(kind: string, tensor: TensorMetadata, hasRows: boolean): Pair {
  if (hasRows && tensor.shape[0] !== -1) {
    throw mismatch(`expected ${kind} '${tensor.name}' to have the shape [-1,…] ${ROWS}, found ${show(tensor.shape)}`);
  }
  return { client: tensor, model: tensor };
}

function narrow(file: readonly TensorMetadata[], pairs: readonly Pair[]): TensorMetadata[] {
  return file.map((tensor) => pairs.find(({ model }) => model.name === tensor.name)?.model ?? tensor);
}

function reshapesOf(pairs: readonly Pair[]): Reshapes {
  return new Map(pairs.flatMap(({ client, reshape }) => (reshape ? [[client.name, reshape] as const] : [])));
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, axis) => dimension === b[axis]);
}

function rowsEverywhere({ inputs, outputs }: TensorSignature): boolean {
  return inputs.length > 0 && [...inputs, ...outputs].every(({ shape }) => shape[0] === -1);
}

const ROWS = '(the first dimension counts rows, as max_batch_size is over 0)';

function mismatch(what: string): ServingError {
  return new ServingError('MODEL_LOAD_FAILED', `its file is not as its configuration for Triton says: ${what}`);
}

function quoteAll(tensors: readonly { readonly name: string }[]): string {
  return tensors.map(({ name }) => `'${name}'`).join(', ') || 'none';
}

function show(shape: readonly number[], hasRows = false): string {
  return `[${shape.join(',')}]${hasRows ? ` ${ROWS}` : ''}`;
}
