// Rows are slices along axis 0: requests are joined into a batch here and its outputs are cut apart again.

import { invariant } from '../errors.ts';
import type { NumericArray } from './datatype.ts';
import type { TensorSignature } from './signature.ts';
import { allocate, elementCount, type NamedTensors, type Tensor } from './tensor.ts';

/** Rows of a set of inputs: the first dimension they share (1 for scalars, where rows have no meaning). */
export function rowsOf(inputs: NamedTensors): number {
  for (const tensor of inputs.values()) return tensor.shape[0] ?? 1;
  return 1;
}

/**
 * Joins requests of one shape signature along axis 0, copying each element once.
 * @param parts at least one; equal names, datatypes and dimensions but the first
 */
export function joinRows(parts: readonly NamedTensors[]): NamedTensors {
  const [first] = parts;
  invariant(first, 'a batch without requests');
  if (parts.length === 1) return first;
  const joined = new Map<string, Tensor>();
  for (const [name, { datatype, shape }] of first) {
    let rows = 0;
    for (const part of parts) rows += part.get(name)!.shape[0]!;
    const fullShape = [rows, ...shape.slice(1)];
    joined.set(name, { datatype, shape: fullShape, data: joinData(parts, name, datatype, elementCount(fullShape)) });
  }
  return joined;
}

function joinData(parts: readonly NamedTensors[], name: string, datatype: Tensor['datatype'], length: number) {
  if (datatype === 'BYTES') return parts.flatMap((part) => part.get(name)!.data as readonly string[]);
  const data = allocate(datatype, length);
  let offset = 0;
  for (const part of parts) {
    const piece = part.get(name)!.data as NumericArray;
    (data as Float32Array).set(piece as Float32Array, offset);
    offset += piece.length;
  }
  return data;
}

/**
 * Cuts a batch's outputs into the parts that belong to its requests; numeric parts are views, nothing is copied.
 * @param rowCounts rows of each request; their sum is the first dimension of every output
 */
export function splitRows(outputs: NamedTensors, rowCounts: readonly number[]): NamedTensors[] {
  if (rowCounts.length === 1) return [outputs];
  const parts = rowCounts.map(() => new Map<string, Tensor>());
  for (const [name, { datatype, shape, data }] of outputs) {
    const stride = elementCount(shape.slice(1));
    let offset = 0;
    rowCounts.forEach((rows, i) => {
      const end = offset + rows * stride;
      const piece = Array.isArray(data) ? data.slice(offset, end) : (data as NumericArray).subarray(offset, end);
      parts[i]!.set(name, { datatype, shape: [rows, ...shape.slice(1)], data: piece as Tensor['data'] });
      offset = end;
    });
    invariant(offset === data.length, `output '${name}' does not have the rows of its batch`);
  }
  return parts;
}

/** Free dimensions beside the first, by input; inputs that have none are left out. */
export type FreeAxes = ReadonlyMap<string, readonly number[]>;

export function freeAxesOf({ inputs }: TensorSignature): FreeAxes {
  const axes = inputs.map(({ name, shape }) => {
    const free = shape.flatMap((size, axis) => (size < 0 && axis > 0 ? [axis] : []));
    return [name, free] as const;
  });
  return new Map(axes.filter(([, free]) => free.length > 0));
}

/** How large the rows are for their model: the largest product of an input's free dimensions beside the first, at least 1. */
export function rowSize(inputs: NamedTensors, axes: FreeAxes): number {
  let largest = 1;
  for (const [name, free] of axes) {
    let size = 1;
    for (const axis of free) size *= inputs.get(name)!.shape[axis]!;
    if (size > largest) largest = size;
  }
  return largest;
}

/** The keys of requests that come one after the other: mostly of one shape, and then it is one and the same string. */
export class ShapeKeys {
  #last: readonly (readonly [name: string, form: Pick<Tensor, 'datatype' | 'shape'>])[] = [];
  #key = '';

  /** What `shapeKey` gives. */
  keyOf(inputs: NamedTensors): string {
    if (!this.#isLast(inputs)) {
      this.#key = shapeKey(inputs);
      this.#last = Array.from(inputs, ([name, { datatype, shape }]) => [name, { datatype, shape }]);
    }
    return this.#key;
  }

  #isLast(inputs: NamedTensors): boolean {
    if (inputs.size !== this.#last.length) return false;
    let i = 0;
    for (const [name, { datatype, shape }] of inputs) {
      const [lastName, last] = this.#last[i++]!;
      if (name !== lastName || datatype !== last.datatype || shape.length !== last.shape.length) return false;
      for (let axis = 1; axis < shape.length; axis++) if (shape[axis] !== last.shape[axis]) return false;
    }
    return true;
  }
}

/**
 * Requests with the same key may share a batch: same names, datatypes and dimensions but the first.
 * @param free a dimension of some inputs that does not count either, by name
 */
export function shapeKey(inputs: NamedTensors, free?: ReadonlyMap<string, { readonly axis: number }>): string {
  let key = '';
  for (const [name, { datatype, shape }] of inputs) {
    const skipped = free?.get(name)?.axis;
    key += `${name}:${datatype}`;
    for (let i = 1; i < shape.length; i++) key += i === skipped ? ',*' : `,${shape[i]}`;
    key += ';';
  }
  return key;
}
