// Walks the elements of a JSON array, flat or nested, in its bytes. Nothing is made but the element asked for.

import type { NumericArray } from '../tensor/datatype.ts';
import { findBase64 } from './base64.ts';
import { DEEPEST_NESTING, endOfString, endOfValue, isDelimiter, type JsonRange, skipSpace } from './lifted-json.ts';

/** The text is no JSON, or nested too deeply; `at` is the place in bytes. */
export class JsonFault extends Error {
  readonly at: number;

  constructor(what: string, at: number) {
    super(what);
    this.at = at;
  }
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const SPACE = 0x20;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;
const WORDS = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/** Powers of ten that a double holds exactly. */
const POWERS = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));
/** So many digits are exact in a double. */
const MOST_DIGITS = 15;

/**
 *   const cursor = new ElementCursor(bytes, range);
 *   while (cursor.next()) values.push(cursor.number());
 *
 * Each element must be taken, by `number`, `text` or `skip`, before the next is asked for.
 */
export class ElementCursor {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;
  #depth = 0;
  /** Whether an element or a closed array stands just before: then a comma or a bracket must follow. */
  #valueBefore = false;

  constructor(bytes: Buffer, { start, end }: JsonRange) {
    this.#bytes = bytes;
    this.#end = end;
    this.#at = start;
  }

  /** Moves to the next element. @returns false behind the last @throws JsonFault */
  next(): boolean {
    const bytes = this.#bytes;
    for (;;) {
      this.#at = skipSpace(bytes, this.#at);
      const byte = bytes[this.#at];
      if (this.#at >= this.#end) {
        if (this.#depth === 0) return false;
        throw new JsonFault('the array is not closed', this.#end);
      }
      if (this.#valueBefore) {
        if (byte === CLOSE_ARRAY) this.#depth--;
        else if (byte === COMMA) this.#valueBefore = false;
        else throw new JsonFault('a comma or a bracket is missing', this.#at);
      } else if (byte === OPEN_ARRAY) {
        if (++this.#depth > DEEPEST_NESTING) {
          throw new JsonFault(`JSON nesting depth exceeds maximum allowed limit (${DEEPEST_NESTING})`, this.#at);
        }
        const inside = skipSpace(bytes, this.#at + 1);
        if (bytes[inside] === CLOSE_ARRAY) {
          this.#depth--;
          this.#at = inside;
          this.#valueBefore = true;
        }
      } else if (byte === COMMA || byte === CLOSE_ARRAY) {
        throw new JsonFault('an element is missing', this.#at);
      } else {
        return true;
      }
      this.#at++;
    }
  }

  /** The element as a number, NaN and infinities included; undefined when it is none, or too large for a double. */
  number(): number | undefined {
    const end = endOfValue(this.#bytes, this.#at);
    const text = this.#bytes.toString('latin1', this.#at, end);
    const value = NUMBER.test(text) ? Number(text) : WORDS.get(text);
    if (value === undefined || (value - value !== 0 && !WORDS.has(text))) return undefined;
    this.#pass(end);
    return value;
  }

  /**
   * Takes this element and those behind it, as long as they are decimals without an exponent one right behind another: in
   * one loop, because nearly all are.
   *
   * Up to 15 digits and a power of ten up to 10^22 are exact in a double, so one division rounds once, as a correct reader
   * would (Clinger, "How to read floating point numbers accurately", 1990).
   *
   * @returns where in `filled` the next element goes: `from` when this one is for `number` to take
   */
  fill(filled: NumericArray, from: number): number {
    const bytes = this.#bytes;
    const single = filled instanceof Float32Array;
    const whole = !single && !(filled instanceof Float64Array);
    let at = this.#at;
    let index = from;
    while (index < filled.length) {
      let i = at;
      let byte = bytes[i]!;
      const negative = byte === MINUS;
      if (negative) byte = bytes[++i]!;
      const first = i;
      let point = 0;
      // Nine and six digits are counted in integers of 32 bits, which is faster than in a double.
      let high = 0;
      let low = 0;
      let count = 0;
      for (; ; byte = bytes[++i]!) {
        if (byte >= ZERO && byte <= NINE) {
          if (count < 9) high = (high * 10 + byte - ZERO) | 0;
          else if (count < MOST_DIGITS) low = (low * 10 + byte - ZERO) | 0;
          count++;
        } else if (byte === DOT && point === 0) point = i;
        else break;
      }
      const before = (point || i) - first;
      if (before === 0 || (before > 1 && bytes[first] === ZERO) || point === i - 1) break;
      if (byte !== COMMA && byte !== CLOSE_ARRAY) break;
      let value = high;
      const decimals = point === 0 ? 0 : i - 1 - point;
      if (count <= MOST_DIGITS) {
        if (count > 9) value = value * POWERS[count - 9]! + low;
        if (decimals > 0) value /= POWERS[decimals]!;
      } else {
        const exponent = count - MOST_DIGITS - decimals;
        if (!single || exponent < -22 || exponent > 22) break;
        const mantissa = value * 1e6 + low;
        value = scale(mantissa, exponent);
        // The true value lies between this mantissa and the next: where both round to one float32, that is it.
        if (Math.fround(value) !== Math.fround(scale(mantissa + 1, exponent))) break;
      }
      if (negative) value = -value;
      filled[index] = value;
      // An array of integers holds something else than what is out of its range or no integer.
      if (whole && filled[index] !== value) break;
      index++;
      at = i;
      this.#valueBefore = byte === CLOSE_ARRAY;
      if (this.#valueBefore) break;
      at += bytes[i + 1] === SPACE ? 2 : 1;
    }
    this.#at = at;
    return index;
  }

  /** The digits of an element that is an integer without fraction or exponent, with its sign; undefined otherwise. */
  digits(): string | undefined {
    const bytes = this.#bytes;
    let i = this.#at;
    if (bytes[i] === MINUS) i++;
    const first = i;
    while (bytes[i]! >= ZERO && bytes[i]! <= 0x39) i++;
    if (i === first || !isDelimiter(bytes[i]!) || (bytes[first] === ZERO && i > first + 1)) return undefined;
    const text = bytes.toString('latin1', this.#at, i);
    this.#pass(i);
    return text;
  }

  /** The element as a boolean; undefined when it is none. */
  boolean(): boolean | undefined {
    const end = endOfValue(this.#bytes, this.#at);
    const word = end - this.#at > 5 ? '' : this.#bytes.toString('latin1', this.#at, end);
    if (word !== 'true' && word !== 'false') return undefined;
    this.#pass(end);
    return word === 'true';
  }

  /** The element as a string; undefined when it is none. @throws JsonFault for a string that JSON forbids */
  text(): string | undefined {
    const bytes = this.#bytes;
    if (bytes[this.#at] !== QUOTE) return undefined;
    const start = this.#at;
    const end = endOfString(bytes, start);
    let plain = true;
    for (let i = start + 1; i < end - 1; i++) {
      if (bytes[i]! < 0x20 || bytes[i] === 0x5c) {
        plain = false;
        break;
      }
    }
    this.#pass(end);
    if (plain) return bytes.toString('utf8', start + 1, end - 1);
    try {
      return JSON.parse(bytes.toString('utf8', start, end));
    } catch {
      throw new JsonFault('a string with an escape or a control character that JSON does not have', start);
    }
  }

  /** What is encoded in an element like {"b64": "…"}; undefined when it is none. */
  base64(): string | undefined {
    const bytes = this.#bytes;
    const quote = findBase64(bytes, this.#at);
    if (quote < 0) return undefined;
    const end = endOfString(bytes, quote);
    this.#pass(skipSpace(bytes, end) + 1);
    return bytes.toString('latin1', quote + 1, end - 1);
  }

  /** Passes over the element, whatever it is. @returns its text, shortened; for error messages */
  skip(): string {
    const end = Math.min(endOfValue(this.#bytes, this.#at), this.#end);
    const text = this.#bytes.toString('utf8', this.#at, Math.min(end, this.#at + 60));
    if (end === this.#at) throw new JsonFault('an element is missing', this.#at);
    this.#pass(end);
    return text;
  }

  #pass(end: number): void {
    this.#at = end;
    this.#valueBefore = true;
  }
}

function scale(mantissa: number, exponent: number): number {
  return exponent < 0 ? mantissa / POWERS[-exponent]! : mantissa * POWERS[exponent]!;
}
