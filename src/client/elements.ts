// Elements between what a caller writes and what travels: nested arrays are flattened, every element is checked, so that
// nothing is cut or wrapped on the way.

import { OrtletError } from './error.ts';
import { fromHalf, toHalf } from './float16.ts';
import type { AnyTensor, Datatype } from './model-types.ts';

/** Arrays as they travel: BOOL as bytes 0 and 1, FP16 as its raw 16 bits. */
const WIRE_ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const;

type WireArray = Exclude<AnyTensor['data'], readonly unknown[]>;

/** A tensor as it travels: BYTES as strings, everything else in the array of its datatype on the wire. */
export interface WireTensor {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: WireArray | readonly string[];
}

/**
 * An input ready to travel.
 * @param input nested arrays, or an object with `shape` and `data`
 * @throws OrtletError naming the input and the element that does not fit, or rows of different lengths
 */
export function toWire(name: string, datatype: Datatype, input: unknown): WireTensor {
  if (datatype !== 'BYTES' && !Object.hasOwn(WIRE_ARRAYS, datatype)) {
    const known = [...Object.keys(WIRE_ARRAYS), 'BYTES'].join(', ');
    throw new OrtletError(`input '${name}' has the datatype '${datatype}', which is none of ${known}.`);
  }
  const { shape, data } = isTensor(input) ? input : flatten(name, input);
  return { datatype, shape, data: datatype === 'BYTES' ? checkStrings(name, data) : fill(name, datatype, data) };
}

/** Elements as the caller gets them. @param data in JSON `"NaN"` and long integers stand as strings */
export function fromWire(datatype: Datatype, data: WireTensor['data'] | readonly unknown[]): AnyTensor['data'] {
  if (datatype === 'BYTES') return data as string[];
  if (datatype === 'BOOL') return Array.from(data as ArrayLike<number | boolean>, Boolean);
  if (datatype === 'FP16')
    return Float32Array.from(data as Iterable<number>, data instanceof Uint16Array ? fromHalf : Number);
  if (!Array.isArray(data)) return data as WireArray & AnyTensor['data'];
  if (datatype === 'INT64') return BigInt64Array.from(data, BigInt);
  if (datatype === 'UINT64') return BigUint64Array.from(data, BigInt);
  return (WIRE_ARRAYS[datatype] as Float64ArrayConstructor).from(data, Number);
}

/** A tensor's bytes: little-endian, as every JavaScript engine has them; strings after their length as a uint32. */
export function toBytes({ data }: WireTensor): Uint8Array {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const encoder = new TextEncoder();
  const texts = data.map((text) => encoder.encode(text));
  const bytes = new Uint8Array(texts.reduce((size, text) => size + 4 + text.length, 0));
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const text of texts) {
    view.setUint32(offset, text.length, true);
    bytes.set(text, offset + 4);
    offset += 4 + text.length;
  }
  return bytes;
}

/** The elements in these bytes, which must not be shared with anybody. */
export function fromBytes(datatype: Datatype, bytes: ArrayBuffer): WireTensor['data'] {
  if (datatype !== 'BYTES') return new WIRE_ARRAYS[datatype](bytes);
  // Without `ignoreBOM` a byte order mark at the beginning of an element would be lost.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const view = new DataView(bytes);
  const strings: string[] = [];
  for (let offset = 0; offset < bytes.byteLength; ) {
    const length = view.getUint32(offset, true);
    strings.push(decoder.decode(new Uint8Array(bytes, offset + 4, length)));
    offset += 4 + length;
  }
  return strings;
}

/** Elements as JSON, without the brackets: 64-bit integers in full, NaN and the infinities as the server's bare words. */
export function printElements({ datatype, data }: WireTensor): string {
  if (datatype === 'BYTES') return Array.from(data as readonly string[], (text) => JSON.stringify(text)).join();
  if (datatype === 'BOOL') return Array.from(data as Uint8Array, (flag) => flag === 1).join();
  if (datatype === 'FP16') return Array.from(data as Uint16Array, (half) => printFloat(fromHalf(half))).join();
  if (datatype.startsWith('FP')) return Array.from(data as Float64Array, printFloat).join();
  return data.join();
}

function printFloat(value: number): string {
  return Object.is(value, -0) ? '-0' : `${value}`;
}

function isTensor(input: unknown): input is { shape: readonly number[]; data: ArrayLike<unknown> } {
  return typeof input === 'object' && input !== null && 'shape' in input && 'data' in input;
}

/** The shape is how long the first array is on each level, and all others of the level must be as long. */
function flatten(name: string, input: unknown): { shape: number[]; data: ArrayLike<unknown> } {
  const shape: number[] = [];
  for (let value = input; isList(value); value = value[0]) shape.push(value.length);
  if (shape.length === 1) return { shape, data: input as ArrayLike<unknown> };
  const data: unknown[] = [];
  const position: number[] = [];
  const walk = (value: unknown, depth: number): void => {
    if (isList(value) ? value.length !== shape[depth] : depth < shape.length) {
      const size = shape[depth] === undefined ? 'one element' : `an array of ${shape[depth]}`;
      const got = isList(value) ? `an array of ${value.length}` : 'one element';
      throw new OrtletError(
        `input '${name}' is ragged: expected ${size} at [${position.slice(0, depth)}] as in front of it, got ${got}.`,
      );
    }
    if (!isList(value)) data.push(value);
    else {
      for (let i = 0; i < value.length; i++) {
        position[depth] = i;
        walk(value[i], depth + 1);
      }
    }
  };
  walk(input, 0);
  return { shape, data };
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
}

function checkStrings(name: string, data: ArrayLike<unknown>): readonly string[] {
  return Array.from(data, (value, i) => {
    if (typeof value === 'string' && value.isWellFormed()) return value;
    throw wrongElement(name, 'BYTES', 'a string without lone surrogates', value, i);
  });
}

function fill(name: string, datatype: keyof typeof WIRE_ARRAYS, data: ArrayLike<unknown>): WireArray {
  const WireArray = WIRE_ARRAYS[datatype];
  if (data instanceof WireArray && datatype !== 'BOOL' && datatype !== 'FP16') return data;
  const filled = new WireArray(data.length);
  const store = STORES[datatype] ?? storeInteger;
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    if (!store(filled as never, i, value)) throw wrongElement(name, datatype, expectation(datatype), value, i);
  }
  return filled;
}

/** Stores an element; false when it does not fit. */
type Store = (filled: never, i: number, value: unknown) => boolean;

const STORES: Partial<Record<Datatype, Store>> = {
  BOOL: (filled: Uint8Array, i, value) => {
    filled[i] = value ? 1 : 0;
    return typeof value === 'boolean';
  },
  UINT64: storeBigInteger,
  INT64: storeBigInteger,
  FP16: (filled: Uint16Array, i, value) => {
    filled[i] = toHalf(value as number);
    return typeof value === 'number' && ((filled[i]! & 0x7fff) !== 0x7c00 || !Number.isFinite(value));
  },
  FP32: storeFloat,
  FP64: storeFloat,
};

function storeFloat(filled: Float32Array | Float64Array, i: number, value: unknown): boolean {
  if (typeof value !== 'number') return false;
  filled[i] = value;
  // A finite number that became infinite was too large for the type.
  return Number.isFinite(filled[i]) === Number.isFinite(value);
}

/** Storing wraps what is out of range and cuts what is no integer: then the stored value differs. */
function storeInteger(filled: Int32Array, i: number, value: unknown): boolean {
  if (typeof value !== 'number') return false;
  filled[i] = value;
  return filled[i] === value;
}

function storeBigInteger(filled: BigInt64Array, i: number, value: unknown): boolean {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return false;
  const exact = BigInt(value as bigint | number);
  filled[i] = exact;
  return filled[i] === exact;
}

function expectation(datatype: keyof typeof WIRE_ARRAYS): string {
  if (datatype === 'BOOL') return 'true or false';
  if (datatype.startsWith('FP')) return `a number in the range of ${datatype}`;
  const bits = WIRE_ARRAYS[datatype].BYTES_PER_ELEMENT * 8;
  const exact = bits === 64 ? ' (a bigint, or a number that is a safe integer)' : '';
  return `${datatype.startsWith('U') ? 'an unsigned' : 'a signed'} integer of ${bits} bits${exact}`;
}

function wrongElement(name: string, datatype: Datatype, expected: string, value: unknown, i: number): OrtletError {
  const got =
    typeof value === 'object' ? 'an object' : typeof value === 'string' ? JSON.stringify(value) : String(value);
  return new OrtletError(`element ${i} of ${datatype} input '${name}' must be ${expected}, got ${got}.`);
}
