// A tensor: a datatype, a shape, and its elements in row-major order.

import { type Datatype, type NumericArray, traitsOf } from './datatype.ts';

/** Elements in row-major order; BYTES as strings, everything else in the datatype's typed array. */
export type TensorData = NumericArray | readonly string[];

export interface Tensor {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export type NamedTensors = ReadonlyMap<string, Tensor>;

/** Number of elements of a shape (1 for a scalar's empty shape); may exceed the safe integers, the caller checks. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) count *= dimension;
  return count;
}

/** Size of a tensor in memory in bytes; for BYTES an estimate of two bytes a character and 16 an element. */
export function byteLength(tensor: Tensor): number {
  if (typeof tensor.data[0] !== 'string') return tensor.data.length * traitsOf(tensor.datatype).bytes;
  let bytes = 0;
  for (const text of tensor.data as readonly string[]) bytes += 16 + 2 * text.length;
  return bytes;
}

/** A zeroed array of the datatype. */
export function allocate(datatype: Exclude<Datatype, 'BYTES'>, length: number): NumericArray {
  const array = traitsOf(datatype).array as new (length: number) => NumericArray;
  return new array(length);
}

/**
 * Elements read from little-endian bytes: a view where the alignment allows one, else one copy.
 * @param bytes exactly `length` elements
 */
export function viewBytes(datatype: Exclude<Datatype, 'BYTES'>, bytes: Uint8Array, length: number): NumericArray {
  const { array, bytes: size } = traitsOf(datatype);
  const aligned = bytes.byteOffset % size === 0 ? bytes : copyAligned(bytes);
  return new array!(aligned.buffer as ArrayBuffer, aligned.byteOffset, length);
}

/** Small copies come from Node's pool, whose pieces begin at multiples of 8. */
function copyAligned(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafe(bytes.byteLength);
  copy.set(bytes);
  return copy;
}

/** The raw bytes of a numeric array, without a copy. */
export function rawBytes(data: NumericArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
