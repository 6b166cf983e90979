// Elements of a tensor as JavaScript's own values, whatever form they came in, and how near they must be.

import type { Datatype } from '../../src/tensor/datatype.ts';
import { fromHalf } from '../../src/tensor/float16.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

/** Halves are numbers, 64-bit integers bigints, booleans 0 and 1. */
export interface Elements {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly values: ArrayLike<number | bigint | string>;
}

export function elementsOf({ datatype, shape, data }: Tensor): Elements {
  const values = datatype === 'FP16' ? Array.from(data as Uint16Array, fromHalf) : data;
  return { datatype, shape, values };
}

/** As ONNX's own backend tests have them; for floats of every width. Integers, booleans and strings must be the same. */
const RELATIVE = 1e-3;
const ABSOLUTE = 1e-7;

/** The first difference in words, or undefined. NaN equals NaN. */
export function findDifference(expected: Elements, actual: Elements): string | undefined {
  if (expected.datatype !== actual.datatype) return `${actual.datatype} where ${expected.datatype} is recorded`;
  const shapes = [expected, actual].map(({ shape }) => `[${shape.join()}]`);
  if (shapes[0] !== shapes[1]) return `shape ${shapes[1]} where ${shapes[0]} is recorded`;
  if (expected.values.length !== actual.values.length)
    return `${actual.values.length} elements where ${expected.values.length} are recorded`;
  const same = expected.datatype.startsWith('FP') ? near : Object.is;
  for (let i = 0; i < expected.values.length; i++) {
    const [wanted, got] = [expected.values[i]!, actual.values[i]!];
    if (!same(wanted as number, got as number)) return `element ${i} is ${got} where ${wanted} is recorded`;
  }
  return undefined;
}

function near(expected: number, actual: number): boolean {
  if (expected === actual || (Number.isNaN(expected) && Number.isNaN(actual))) return true;
  // An infinity is near to nothing but itself.
  return Math.abs(actual - expected) <= ABSOLUTE + RELATIVE * Math.abs(expected) && Number.isFinite(expected);
}
