// Elements out of JSON text: one loop for each kind of datatype, which checks and fills in a single pass.

import { ServingError } from '../errors.ts';
import { type Datatype, traitsOf } from '../tensor/datatype.ts';
import { toHalf } from '../tensor/float16.ts';
import { allocate, type TensorData } from '../tensor/tensor.ts';
import { decodeBase64 } from './base64.ts';
import { ElementCursor, JsonFault } from './element-cursor.ts';
import type { JsonRange } from './lifted-json.ts';

/** The input that elements belong to, and where in the body they are. */
export interface ElementSource {
  readonly name: string;
  readonly datatype: Datatype;
  readonly bytes: Buffer;
  readonly range: JsonRange;
  /** The member of the body that holds the elements, for messages; `data` when left out. */
  readonly member?: string;
  /** Whether BYTES elements may be objects with base64. */
  readonly base64?: boolean;
  /** Where in the body a place in `bytes` is, when they are not the body. */
  readonly origin?: (at: number) => number;
}

/**
 * The elements of one input.
 * @param length how many its shape has; the array may be flat or nested in any way
 * @throws ServingError INVALID_INPUT with the element's position in row-major order, INVALID_REQUEST for what is no JSON
 */
export function readElements(source: ElementSource, length: number): TensorData {
  const { datatype, bytes, range } = source;
  if (bytes[range.start] !== 0x5b) {
    throw wrongData(source, `'data' must be an array, got ${new ElementCursor(bytes, range).skip()}`);
  }
  try {
    // An element takes two bytes at least: what a shape promises is believed only as far as the text goes.
    if (length > (range.end - range.start) / 2) failCount(source, length);
    return READERS[datatype](source, length);
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    throw noJson(source, error);
  }
}

/** What a fault in the elements' text means to the caller. */
export function noJson({ name, member = 'data', origin }: ElementSource, { message, at }: JsonFault): ServingError {
  const place = origin ? origin(at) : at;
  return new ServingError(
    'INVALID_REQUEST',
    `failed to parse the request JSON buffer: ${message}, in '${member}' of input '${name}' at ${place}`,
  );
}

type Reader = (source: ElementSource, length: number) => TensorData;

const READERS: Record<Datatype, Reader> = {
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
  BYTES: readStrings,
};

function readFloats(source: ElementSource, length: number): TensorData {
  return readDecimals(source, new Float32Array(length), (value, kept, i) => {
    if (Number.isFinite(value) && !Number.isFinite(kept)) throw beyondRange(source, value, i);
  });
}

function readDoubles(source: ElementSource, length: number): Float64Array<ArrayBuffer> {
  return readDecimals(source, new Float64Array(length), () => {});
}

function readHalves(source: ElementSource, length: number): TensorData {
  return Uint16Array.from(readDoubles(source, length), (value, i) => {
    const half = toHalf(value);
    if ((half & 0x7c00) === 0x7c00 && Number.isFinite(value)) throw beyondRange(source, value, i);
    return half;
  });
}

function readIntegers(source: ElementSource, length: number): TensorData {
  const filled = allocate(source.datatype as 'INT32', length) as Int32Array<ArrayBuffer>;
  return readDecimals(source, filled, (value, kept, i) => {
    // Storing wraps what is out of range and cuts what is no integer: then the stored value differs.
    if (kept !== value) throw wrongInteger(source, String(value), i);
  });
}

/** @param check looks at a number that is no plain decimal, and at what the array has kept of it */
function readDecimals<Filled extends Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>>(
  source: ElementSource,
  filled: Filled,
  check: (value: number, kept: number, i: number) => void,
): Filled {
  const { length } = filled;
  const cursor = startOf(source);
  let i = 0;
  while (cursor.next()) {
    const taken = cursor.fill(filled, i);
    if (taken === i) {
      const value = readNumber(source, cursor, i, length);
      filled[i] = value;
      check(value, filled[i]!, i);
    }
    i = Math.max(taken, i + 1);
  }
  return i === length ? filled : failCount(source, length);
}

/** One number that is not a plain decimal. */
function readNumber(source: ElementSource, cursor: ElementCursor, i: number, length: number): number {
  if (i >= length) failCount(source, length);
  return cursor.number() ?? failNumber(source, cursor.skip(), i);
}

function readBigIntegers(source: ElementSource, length: number): TensorData {
  const filled = allocate(source.datatype as 'INT64', length) as BigInt64Array<ArrayBuffer>;
  const [lowest, highest] = traitsOf(source.datatype).range!;
  const cursor = startOf(source);
  let i = 0;
  for (; cursor.next(); i++) {
    const exact = i < length ? readBigInteger(cursor) : failCount(source, length);
    if (typeof exact !== 'bigint') throw wrongInteger(source, exact === undefined ? cursor.skip() : String(exact), i);
    if (exact < lowest || exact > highest) throw wrongInteger(source, String(exact), i);
    filled[i] = exact;
  }
  return i === length ? filled : failCount(source, length);
}

/** The exact integer; a number that is none, or one with an exponent too large to be exact; undefined for no number. */
function readBigInteger(cursor: ElementCursor): bigint | number | undefined {
  const digits = cursor.digits();
  if (digits !== undefined) return BigInt(digits);
  const value = cursor.number();
  return Number.isSafeInteger(value) ? BigInt(value!) : value;
}

function readBooleans(source: ElementSource, length: number): TensorData {
  const filled = new Uint8Array(length);
  const cursor = startOf(source);
  let i = 0;
  for (; cursor.next(); i++) {
    const value = i < length ? cursor.boolean() : failCount(source, length);
    if (value === undefined) throw wrongElement(source, 'true or false', cursor.skip(), i);
    filled[i] = value ? 1 : 0;
  }
  return i === length ? filled : failCount(source, length);
}

const WHOLE_STRING = 'a string without NUL and lone surrogates, which the runtime would change';

function readStrings(source: ElementSource, length: number): TensorData {
  const strings: string[] = [];
  const cursor = startOf(source);
  for (let i = 0; cursor.next(); i++) {
    const value = i < length ? (cursor.text() ?? readBase64(source, cursor, i)) : failCount(source, length);
    if (value.includes('\0') || !value.isWellFormed())
      throw wrongElement(source, WHOLE_STRING, JSON.stringify(value), i);
    strings.push(value);
  }
  return strings.length === length ? strings : failCount(source, length);
}

/** A string that is written as base64. */
function readBase64(source: ElementSource, cursor: ElementCursor, i: number): string {
  const encoded = source.base64 ? cursor.base64() : undefined;
  if (encoded === undefined) {
    throw wrongElement(source, source.base64 ? 'a string or {"b64": "…"}' : 'a string', cursor.skip(), i);
  }
  const text = decodeBase64(encoded);
  if (text === undefined) throw wrongElement(source, 'base64 of a text in UTF-8', encoded, i);
  return text;
}

function startOf({ bytes, range }: ElementSource): ElementCursor {
  return new ElementCursor(bytes, range);
}

/** Walks the whole array. @returns how many elements it has */
function count(source: ElementSource): number {
  const cursor = startOf(source);
  let elements = 0;
  for (; cursor.next(); elements++) cursor.skip();
  return elements;
}

// Clients match on how these two begin.
function failCount(source: ElementSource, length: number): never {
  const elements = count(source);
  const what =
    elements < length
      ? "Failed to parse 'data' field: shape does not match true shape"
      : "Unable to parse 'data': Shape does not match true shape of 'data' field";
  throw new ServingError(
    'INVALID_INPUT',
    `${what}: input '${source.name}' has ${elements} elements, its shape has ${length}.`,
  );
}

function failNumber(source: ElementSource, got: string, i: number): never {
  const { datatype } = source;
  if (traitsOf(datatype).range) throw wrongInteger(source, got, i);
  // What looks like a number and is none for a double is too large for one.
  throw wrongElement(source, /^-?[0-9]/.test(got) ? `a number in the range of ${datatype}` : 'a number', got, i);
}

function beyondRange(source: ElementSource, value: number, i: number): ServingError {
  return wrongElement(source, `a number in the range of ${source.datatype}`, String(value), i);
}

function wrongInteger(source: ElementSource, got: string, i: number): ServingError {
  const [lowest, highest] = traitsOf(source.datatype).range!;
  return wrongElement(source, `an integer from ${lowest} to ${highest}`, got, i);
}

function wrongElement(source: ElementSource, expected: string, got: string, i: number): ServingError {
  const short = got.length > 57 ? `${got.slice(0, 57)}...` : got;
  return wrongData(source, `element ${i} of ${source.datatype} must be ${expected}, got ${short}`);
}

function wrongData({ name, member = 'data' }: ElementSource, what: string): ServingError {
  return new ServingError('INVALID_INPUT', `Unable to parse '${member}' of input '${name}': ${what}.`);
}
