// The same elements under two shapes: as clients see a tensor, and as the model does. No element moves.

import { ServingError } from '../errors.ts';
import { elementCount, type NamedTensors } from './tensor.ts';

/**
 * Two shapes of one tensor; -1 is a free dimension. The free ones stand for each other in order, as in Triton: [2,4,-1,6]
 * and [8,-1,1,6]. An empty shape is a scalar's.
 */
export interface Reshape {
  readonly client: readonly number[];
  readonly model: readonly number[];
}

/** By the name of the tensor; a tensor that is not there keeps its shape. */
export type Reshapes = ReadonlyMap<string, Reshape>;

/** Whether every tensor of the one shape has as many elements under the other, whatever its free dimensions are. */
export function canReshape({ client, model }: Reshape): boolean {
  const [a, b] = [fixedParts(client), fixedParts(model)];
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** @param inputs whose shapes fit what clients may send */
export function toModelShapes(inputs: NamedTensors, reshapes: Reshapes): NamedTensors {
  return reshapeAll(inputs, reshapes, 'client', 'model');
}

/** @throws ServingError INFERENCE_FAILED when the model gave another shape than its file promises */
export function toClientShapes(outputs: NamedTensors, reshapes: Reshapes): NamedTensors {
  return reshapeAll(outputs, reshapes, 'model', 'client');
}

function reshapeAll(tensors: NamedTensors, reshapes: Reshapes, from: keyof Reshape, to: keyof Reshape): NamedTensors {
  if (reshapes.size === 0) return tensors;
  const result = new Map(tensors);
  for (const [name, tensor] of tensors) {
    const reshape = reshapes.get(name);
    if (reshape) result.set(name, { ...tensor, shape: reshapeTo(name, tensor.shape, reshape[from], reshape[to]) });
  }
  return result;
}

function reshapeTo(
  name: string,
  shape: readonly number[],
  from: readonly number[],
  to: readonly number[],
): readonly number[] {
  // A file that does not tell an output's shape cannot be told from one that says it is a scalar.
  if (from.length === 0) return shape.length === 0 ? to : shape;
  const fits = shape.length === from.length && from.every((dimension, i) => dimension < 0 || dimension === shape[i]);
  const free = shape.filter((_, i) => from[i]! < 0);
  let next = 0;
  const result = to.map((dimension) => (dimension < 0 ? (free[next++] ?? 0) : dimension));
  if (!fits || elementCount(result) !== elementCount(shape)) {
    throw new ServingError(
      'INFERENCE_FAILED',
      `'${name}' has the shape [${shape.join(',')}], its configuration has it as [${from.join(',')}]`,
    );
  }
  return result;
}

/** Elements between the free dimensions. */
function fixedParts(shape: readonly number[]): number[] {
  const parts = [1];
  for (const dimension of shape) {
    if (dimension < 0) parts.push(1);
    else parts[parts.length - 1]! *= dimension;
  }
  return parts;
}
