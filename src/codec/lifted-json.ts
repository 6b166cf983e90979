// JSON whose bulk is numbers: the few values that hold tensor elements are lifted out of the text by their place, as
// ranges of bytes, and JSON.parse sees only what is left.
//
//   {"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1.5,NaN]}]}
//   {"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":    0    }]}      ranges[0] = [1.5,NaN]
//
// So elements never become JavaScript objects (an array of a million one-element arrays would take 33 times its text),
// integers keep all their digits, and the bare tokens NaN and Infinity are no obstacle.

import { isUtf8 } from 'node:buffer';
import { ServingError } from '../errors.ts';

/** Bytes from `start` up to but not including `end` that hold one JSON value. */
export interface JsonRange {
  readonly start: number;
  readonly end: number;
}

export interface LiftedJson {
  /** The rest of the document; a lifted value is its index in `ranges`. */
  readonly value: unknown;
  readonly ranges: readonly JsonRange[];
}

/** Deepest nesting of arrays and objects, in tensor data and around it. */
export const DEEPEST_NESTING = 100;
/** Objects and arrays outside tensor data: over twice what a request with the most tensors needs. */
const MOST_CONTAINERS = 20_000;
/** Values outside tensor data: an object of a million keys would take 35 times its text. */
const MOST_VALUES = 100_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Parses a document but for the values that are wanted as ranges; those are only found, not checked.
 * @param isLifted asked for each member of an object; `path` has the keys from the top, '' for an array
 * @throws ServingError INVALID_REQUEST with the position of the first mistake in bytes
 */
export function liftJson(bytes: Buffer, isLifted: (path: readonly string[]) => boolean): LiftedJson {
  if (!isUtf8(bytes)) throw new ServingError('INVALID_REQUEST', 'the JSON is not valid UTF-8');
  const ranges = findValues(bytes, isLifted);
  const pieces: string[] = [];
  let copied = 0;
  for (const [index, { start, end }] of ranges.entries()) {
    pieces.push(bytes.toString('utf8', copied, start), String(index));
    copied = end;
  }
  pieces.push(bytes.toString('utf8', copied));
  try {
    return { value: JSON.parse(pieces.length === 1 ? pieces[0]! : pieces.join('')), ranges };
  } catch (error) {
    throw new ServingError(
      'INVALID_REQUEST',
      `failed to parse the request JSON buffer: ${describe(error, pieces, ranges)}`,
    );
  }
}

function findValues(bytes: Buffer, isLifted: (path: readonly string[]) => boolean): JsonRange[] {
  const ranges: JsonRange[] = [];
  const path: string[] = [];
  const inObject: boolean[] = [];
  let containers = 0;
  let values = 0;
  let keyExpected = false;
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        keyExpected = bytes[i] === OPEN_OBJECT;
        inObject.push(keyExpected);
        path.push('');
        if (path.length > DEEPEST_NESTING) throw tooDeep();
        if (++containers > MOST_CONTAINERS) throw tooMany(`${MOST_CONTAINERS} objects and arrays`);
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        inObject.pop();
        path.pop();
        keyExpected = false;
        break;
      case COMMA:
        if (++values > MOST_VALUES) throw tooMany(`${MOST_VALUES} values`);
        keyExpected = inObject.at(-1) === true;
        break;
      case QUOTE: {
        const end = endOfString(bytes, i);
        if (keyExpected) path[path.length - 1] = readKey(bytes, i, end);
        i = end - 1;
        break;
      }
      case COLON: {
        if (!keyExpected) break;
        keyExpected = false;
        if (!isLifted(path)) break;
        const start = skipSpace(bytes, i + 1);
        const end = endOfValue(bytes, start);
        // Where no value is, the mistake is left for JSON.parse to find.
        if (end > start) ranges.push({ start, end });
        i = Math.max(i, end - 1);
      }
    }
  }
  return ranges;
}

/** A key as it is meant, its escapes resolved. */
export function readKey(bytes: Buffer, start: number, end: number): string {
  const key = bytes.toString('utf8', start + 1, end - 1);
  if (!key.includes('\\')) return key;
  try {
    return JSON.parse(`"${key}"`);
  } catch {
    return key;
  }
}

export function skipSpace(bytes: Uint8Array, start: number): number {
  let i = start;
  while (bytes[i] === 0x20 || bytes[i] === 0x0a || bytes[i] === 0x0d || bytes[i] === 0x09) i++;
  return i;
}

/** @param start of a string's opening quote @returns the place behind its closing quote, or the text's end */
export function endOfString(bytes: Uint8Array, start: number): number {
  let i = start + 1;
  while (i < bytes.length && bytes[i] !== QUOTE) i += bytes[i] === BACKSLASH ? 2 : 1;
  return Math.min(i + 1, bytes.length);
}

/** The place behind a value, found by its brackets alone. */
export function endOfValue(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === QUOTE) return endOfString(bytes, start);
  if (first === OPEN_ARRAY) return endOfFlatArray(bytes, start) ?? endOfContainer(bytes, start);
  if (first === OPEN_OBJECT) return endOfContainer(bytes, start);
  let i = start;
  while (i < bytes.length && !isDelimiter(bytes[i]!)) i++;
  return i;
}

/** So many bytes are looked at one by one: below, calls of the platform cost more. */
const SHORT_BYTES = 256;

/** Whether a piece of text stands at a place. */
export function isAt(bytes: Buffer, at: number, piece: Buffer): boolean {
  const { length } = piece;
  if (at + length > bytes.length) return false;
  if (length > SHORT_BYTES) return bytes.compare(piece, 0, length, at, at + length) === 0;
  for (let i = 0; i < length; i++) if (bytes[at + i] !== piece[i]) return false;
  return true;
}

/** Most arrays of numbers are flat: then three searches of the platform find their end. */
function endOfFlatArray(bytes: Buffer, start: number): number | undefined {
  for (let i = start + 1; i < start + SHORT_BYTES; i++) {
    const byte = bytes[i];
    if (byte === CLOSE_ARRAY) return i + 1;
    if (byte === OPEN_ARRAY || byte === QUOTE || byte === OPEN_OBJECT) return undefined;
  }
  const end = bytes.indexOf(CLOSE_ARRAY, start);
  if (end < 0) return undefined;
  const inside = bytes.subarray(start + 1, end);
  return inside.includes(OPEN_ARRAY) || inside.includes(QUOTE) || inside.includes(OPEN_OBJECT) ? undefined : end + 1;
}

function endOfContainer(bytes: Buffer, start: number): number {
  let depth = 0;
  for (let i = start; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) i = endOfString(bytes, i) - 1;
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth++;
    else if ((byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) && --depth === 0) return i + 1;
  }
  return bytes.length;
}

/** What ends a number or a word: white space, a comma, a closing bracket. */
export function isDelimiter(byte: number): boolean {
  return byte <= 0x20 || byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT;
}

function tooDeep(): ServingError {
  return new ServingError('INVALID_REQUEST', `JSON nesting depth exceeds maximum allowed limit (${DEEPEST_NESTING})`);
}

function tooMany(what: string): ServingError {
  return new ServingError('INVALID_REQUEST', `the request has over ${what} beside its tensor data`);
}

function describe(error: unknown, pieces: readonly string[], ranges: readonly JsonRange[]): string {
  if (pieces.join('').trim() === '') return 'the body is empty. Send a JSON object.';
  const { message } = error as Error;
  const what = message.replace(/,? (in JSON )?(at position .*|\.\.\..*|".*)$/s, '');
  const position = /position (\d+)/.exec(message)?.[1];
  return position ? `${what} at ${bodyPosition(Number(position), pieces, ranges)}` : what;
}

/** Where in the body a position in what JSON.parse saw lies: even pieces are the body's, odd ones stand for ranges. */
function bodyPosition(position: number, pieces: readonly string[], ranges: readonly JsonRange[]): number {
  let rest = position;
  for (const [i, piece] of pieces.entries()) {
    const from = i < 2 ? 0 : ranges[(i >> 1) - 1]!.end;
    if (i % 2 === 0 && rest <= piece.length) return from + Buffer.byteLength(piece.slice(0, rest));
    if (i % 2 === 1 && rest < piece.length) return ranges[i >> 1]!.start;
    rest -= piece.length;
  }
  return position;
}
