// Elements out of JSON arrays and back into JSON text: one loop for each kind of datatype, which checks and fills in a
// single pass.

import { ServingError } from '../errors.ts';
import { type Datatype, type NumericArray, traitsOf } from '../tensor/datatype.ts';
import { fromHalf, toHalf } from '../tensor/float16.ts';
import { allocate, type TensorData } from '../tensor/tensor.ts';
import { EXACT_MARK } from './exact-json.ts';

const DEEPEST_NESTING = 100;

/**
 * The elements of one input.
 * @param data flat or nested array of exactly `length` elements
 * @throws ServingError INVALID_INPUT with the element's position in row-major order
 */
export function readElements(name: string, datatype: Datatype, data: unknown, length: number): TensorData {
  if (!Array.isArray(data)) throw wrongData(name, `'data' must be an array, got ${print(data)}`);
  const flat = Array.isArray(data[0]) ? flatten(name, data) : data;
  if (flat.length < length) {
    throw new ServingError(
      'INVALID_INPUT',
      `Failed to parse 'data' field: shape does not match true shape: input '${name}' has ${flat.length} elements, its shape has ${length}.`,
    );
  }
  if (flat.length > length) {
    throw new ServingError(
      'INVALID_INPUT',
      `Unable to parse 'data': Shape does not match true shape of 'data' field: input '${name}' has ${flat.length} elements, its shape has ${length}.`,
    );
  }
  if (datatype === 'BYTES') return readStrings(name, flat);
  return READERS[datatype](name, datatype, flat, allocate(datatype, length) as never);
}

/** Elements in JSON, without the brackets; floats in the shortest form that reads back as the same number. */
export function printElements(datatype: Datatype, data: TensorData): string {
  switch (datatype) {
    case 'BYTES':
      return (data as readonly string[]).map((text) => JSON.stringify(text)).join();
    case 'BOOL':
      return Array.from(data as Uint8Array, (flag) => (flag ? 'true' : 'false')).join();
    case 'FP16':
      return joinNumbers(data as Uint16Array, (half) => printFloat32(fromHalf(half)));
    case 'FP32':
      return joinNumbers(data as Float32Array, printFloat32);
    case 'FP64':
      return joinNumbers(data as Float64Array, printFloat64);
    default:
      return (data as Uint8Array).join();
  }
}

type Reader = (name: string, datatype: Datatype, flat: readonly unknown[], filled: never) => NumericArray;

const READERS: Record<Exclude<Datatype, 'BYTES'>, Reader> = {
  BOOL: readBooleans,
  UINT8: readIntegers,
  UINT16: readIntegers,
  UINT32: readIntegers,
  INT8: readIntegers,
  INT16: readIntegers,
  INT32: readIntegers,
  UINT64: readBigIntegers,
  INT64: readBigIntegers,
  FP16: readHalves,
  FP32: readFloats,
  FP64: readDoubles,
};

function readFloats(name: string, datatype: Datatype, flat: readonly unknown[], filled: Float32Array<ArrayBuffer>) {
  for (let i = 0; i < flat.length; i++) {
    const value = flat[i];
    filled[i] = typeof value === 'number' ? value : numberOf(name, datatype, value, i);
    // A finite number that became infinite was too large for the type.
    if (filled[i]! - filled[i]! !== 0) checkFinite(name, datatype, value, i);
  }
  return filled;
}

function readDoubles(name: string, datatype: Datatype, flat: readonly unknown[], filled: Float64Array<ArrayBuffer>) {
  for (let i = 0; i < flat.length; i++) {
    const value = flat[i];
    filled[i] = typeof value === 'number' ? value : numberOf(name, datatype, value, i);
    if (filled[i]! - filled[i]! !== 0) checkFinite(name, datatype, value, i);
  }
  return filled;
}

function readHalves(name: string, datatype: Datatype, flat: readonly unknown[], filled: Uint16Array<ArrayBuffer>) {
  for (let i = 0; i < flat.length; i++) {
    const value = flat[i];
    filled[i] = toHalf(typeof value === 'number' ? value : numberOf(name, datatype, value, i));
    if ((filled[i]! & 0x7c00) === 0x7c00) checkFinite(name, datatype, value, i);
  }
  return filled;
}

function readIntegers(name: string, datatype: Datatype, flat: readonly unknown[], filled: Int32Array<ArrayBuffer>) {
  for (let i = 0; i < flat.length; i++) {
    const value = flat[i];
    // Storing wraps what is out of range and cuts what is no integer: then the stored value differs.
    filled[i] = value as number;
    if (typeof value !== 'number' || filled[i] !== value) throw wrongInteger(name, datatype, value, i);
  }
  return filled;
}

function readBigIntegers(
  name: string,
  datatype: Datatype,
  flat: readonly unknown[],
  filled: BigInt64Array<ArrayBuffer>,
) {
  const [lowest, highest] = traitsOf(datatype).range!;
  for (let i = 0; i < flat.length; i++) {
    const value = flat[i];
    let exact: bigint;
    if (Number.isSafeInteger(value)) exact = BigInt(value as number);
    else if (typeof value === 'string' && /^\0-?[0-9]+$/.test(value)) exact = BigInt(value.slice(1));
    else throw wrongInteger(name, datatype, value, i);
    if (exact < lowest || exact > highest) throw wrongInteger(name, datatype, value, i);
    filled[i] = exact;
  }
  return filled;
}

function readBooleans(name: string, datatype: Datatype, flat: readonly unknown[], filled: Uint8Array<ArrayBuffer>) {
  for (let i = 0; i < flat.length; i++) {
    const value = flat[i];
    if (typeof value !== 'boolean') throw wrongElement(name, datatype, 'true or false', value, i);
    filled[i] = value ? 1 : 0;
  }
  return filled;
}

function readStrings(name: string, flat: readonly unknown[]): readonly string[] {
  flat.forEach((value, i) => {
    if (typeof value !== 'string') throw wrongElement(name, 'BYTES', 'a string', value, i);
    if (value.includes('\0') || !value.isWellFormed()) {
      throw wrongElement(
        name,
        'BYTES',
        'a string without NUL and lone surrogates, which the runtime would change',
        value,
        i,
      );
    }
  });
  return flat as readonly string[];
}

function numberOf(name: string, datatype: Datatype, value: unknown, i: number): number {
  if (typeof value === 'string' && value.startsWith(EXACT_MARK)) return Number(value.slice(1));
  throw wrongElement(name, datatype, 'a number', value, i);
}

function checkFinite(name: string, datatype: Datatype, value: unknown, i: number): void {
  if (typeof value === 'number') throw wrongElement(name, datatype, `a number in the range of ${datatype}`, value, i);
}

function wrongInteger(name: string, datatype: Datatype, value: unknown, i: number): ServingError {
  const [lowest, highest] = traitsOf(datatype).range!;
  return wrongElement(name, datatype, `an integer from ${lowest} to ${highest}`, value, i);
}

function wrongElement(name: string, datatype: Datatype, expected: string, value: unknown, i: number): ServingError {
  return wrongData(name, `element ${i} of ${datatype} must be ${expected}, got ${print(value)}`);
}

function wrongData(name: string, what: string): ServingError {
  return new ServingError('INVALID_INPUT', `Unable to parse 'data' of input '${name}': ${what}.`);
}

function print(value: unknown): string {
  if (typeof value === 'string' && value.startsWith(EXACT_MARK)) return value.slice(1, 60);
  if (Array.isArray(value)) return 'an array';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function flatten(name: string, data: readonly unknown[]): unknown[] {
  const flat: unknown[] = [];
  const walk = (items: readonly unknown[], depth: number) => {
    if (depth > DEEPEST_NESTING) {
      throw wrongData(name, `JSON nesting depth exceeds maximum allowed limit (${DEEPEST_NESTING})`);
    }
    for (const item of items) {
      if (Array.isArray(item)) walk(item, depth + 1);
      else flat.push(item);
    }
  };
  walk(data, 1);
  return flat;
}

function joinNumbers(data: Uint16Array | Float32Array | Float64Array, print: (value: number) => string): string {
  let text = '';
  for (let i = 0; i < data.length; i++) text += i === 0 ? print(data[i]!) : `,${print(data[i]!)}`;
  return text;
}

function printFloat64(value: number): string {
  return value === 0 && Object.is(value, -0) ? '-0' : `${value}`;
}

const POWERS = Array.from({ length: 20 }, (_, exponent) => 10 ** exponent);

/**
 * The shortest decimal that reads back as the same float32: seven significant digits suffice for most, nine for all.
 * A decimal of at most six digits always comes out at seven, for its distance is below half a unit of the seventh.
 */
function printFloat32(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e-6 && magnitude < 1e7) {
    const places = 6 - Math.floor(Math.log10(magnitude));
    for (let extra = 0; extra < 2; extra++) {
      const power = POWERS[places + extra]!;
      const candidate = Math.round(value * power) / power;
      if (Math.fround(candidate) === value) return `${candidate}`;
    }
  }
  if (value === 0 || !Number.isFinite(value)) return printFloat64(value);
  // Subnormal numbers hold fewer digits.
  for (let digits = magnitude < 2 ** -126 ? 1 : 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return `${candidate}`;
  }
  return `${Number(value.toPrecision(9))}`;
}
