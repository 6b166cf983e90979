// Rows of different lengths in one run: each is filled up to the longest with a value that the model's mask tells it to pass
// over, and the outputs are cut back.
//
//   input_ids       [5 8 3]          [5 8 3 0 0]      attention_mask  [1 1 1 0 0]
//                   [9 2 4 4 7]  ─▶  [9 2 4 4 7]                      [1 1 1 1 1]

import type { Datatype, NumericArray } from './datatype.ts';
import { allocate, elementCount, type NamedTensors, type Tensor } from './tensor.ts';

export interface PaddedInput {
  /** The dimension that is filled up, from 1. */
  readonly axis: number;
  /** What it is filled up with. */
  readonly value: number;
}

/** Which tensors have the padded dimension, by name; none of them is BYTES. */
export interface PaddingPlan {
  readonly inputs: ReadonlyMap<string, PaddedInput>;
  /** Their dimension that is cut back, from 1. */
  readonly outputs: ReadonlyMap<string, number>;
}

/** Size of the padded dimension; undefined where the padded inputs do not agree on one, and nothing may be padded. */
export function lengthOf(inputs: NamedTensors, plan: PaddingPlan): number | undefined {
  let length: number | undefined;
  for (const [name, { axis }] of plan.inputs) {
    const own = inputs.get(name)!.shape[axis]!;
    length ??= own;
    if (own !== length) return undefined;
  }
  return length;
}

/** Fills the padded inputs of one request up; those that are as long already are not copied. */
export function padInputs(inputs: NamedTensors, plan: PaddingPlan, length: number): NamedTensors {
  const padded = new Map(inputs);
  for (const [name, { axis, value }] of plan.inputs) {
    const tensor = inputs.get(name)!;
    if (tensor.shape[axis] !== length) padded.set(name, resize(tensor, axis, length, value));
  }
  return padded;
}

/** Cuts the outputs of one request back to its length. */
export function cutOutputs(outputs: NamedTensors, plan: PaddingPlan, length: number): NamedTensors {
  const cut = new Map(outputs);
  for (const [name, axis] of plan.outputs) {
    const tensor = outputs.get(name);
    if (tensor && tensor.shape[axis] !== length) cut.set(name, resize(tensor, axis, length, 0));
  }
  return cut;
}

function resize(tensor: Tensor, axis: number, length: number, value: number): Tensor {
  const { datatype, shape } = tensor;
  const inner = elementCount(shape.slice(axis + 1));
  const [from, to] = [shape[axis]! * inner, length * inner];
  const kept = Math.min(from, to);
  const resized = shape.with(axis, length);
  const source = tensor.data as NumericArray;
  const data = allocate(datatype as Exclude<Datatype, 'BYTES'>, elementCount(resized));
  if (to > from && value !== 0) data.fill((typeof data[0] === 'bigint' ? BigInt(value) : value) as never);
  for (let i = 0; i * to < data.length; i++) {
    (data as Float32Array).set((source as Float32Array).subarray(i * from, i * from + kept), i * to);
  }
  return { datatype, shape: resized, data };
}
