// Elements into JSON text. Numbers of 16 and 32 bits are written digit by digit into bytes, floats in the shortest
// decimal that reads back as the same number: 0.1, where the platform would print the double 0.10000000149011612.

import type { Datatype } from '../tensor/datatype.ts';
import { fromHalf } from '../tensor/float16.ts';
import type { TensorData } from '../tensor/tensor.ts';

/** Elements in JSON, without the brackets; NaN and infinities as bare words. */
export function printElements(datatype: Datatype, data: TensorData): string {
  switch (datatype) {
    case 'BYTES':
      return (data as readonly string[]).map((text) => JSON.stringify(text)).join();
    case 'BOOL':
      return Array.from(data as Uint8Array, (flag) => (flag ? 'true' : 'false')).join();
    case 'FP16':
      return printFloats(Float32Array.from(data as Uint16Array, fromHalf));
    case 'FP32':
      return printFloats(data as Float32Array);
    case 'FP64':
      return printDoubles(data as Float64Array);
    default:
      return (data as Uint8Array).join();
  }
}

function printDoubles(data: Float64Array): string {
  let text = '';
  for (let i = 0; i < data.length; i++) text += i === 0 ? printDouble(data[i]!) : `,${printDouble(data[i]!)}`;
  return text;
}

function printDouble(value: number): string {
  return value === 0 && Object.is(value, -0) ? '-0' : `${value}`;
}

const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const LETTER_E = 0x65;

const ROOM = 32 * 1024;
/** Longer than any number with its comma. */
const LONGEST = 32;
const scratch = Buffer.allocUnsafeSlow(ROOM);
const view = new DataView(scratch.buffer);

function printFloats(data: Float32Array): string {
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  let text = '';
  let at = 0;
  for (let i = 0; i < data.length; i++) {
    if (at > ROOM - LONGEST) {
      text += scratch.toString('latin1', 0, at);
      at = 0;
    }
    const value = data[i]!;
    const whole = value | 0;
    if (whole === value && whole >= 0 && whole < SHORT.length && bits[i] !== NEGATIVE_ZERO) {
      view.setUint32(at, SHORT[whole]!, true);
      at += SHORT_LENGTHS[whole]!;
    } else {
      at = writeFloat(value, bits[i]!, at);
      scratch[at++] = COMMA;
    }
  }
  return text + scratch.toString('latin1', 0, Math.max(0, at - 1));
}

/** 10^place <= 2^exponent < 10^(place + 1), for each of a float's biased exponents. */
const PLACES = Int32Array.from({ length: 256 }, (_, exponent) => Math.floor((exponent - 127) * Math.log10(2)));
/** 10^(place + 1): where the next place begins. */
const NEXT_PLACES = Float64Array.from(PLACES, (place) => Number(`1e${place + 1}`));
/** Half the distance of neighbouring floats. */
const HALF_GAPS = Float64Array.from({ length: 256 }, (_, exponent) => 2 ** (exponent - 127 - 24));
/** 10^(8 - place): what brings a number of that place to nine digits. Exact in a double for the places from -14 to 8. */
const SCALES = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
/** With none, one and two zeros behind them. */
const candidates = new Int32Array(3);
const NEGATIVE_ZERO = 0x80000000;
/** Half a unit of the seventh of nine digits. */
const HALF_OF_SEVENTH = 50;
/** More than what scaling can be wrong by. */
const SAFETY = 1e-6;

/**
 * Every decimal nearer than half the gap to the neighbours reads back as the same float: so the number is brought to nine
 * digits, and rounded to seven or eight where that stays near enough. Half the gap is at most 60 units of the ninth digit:
 * only where it is over 50, half a unit of the seventh, can six digits be near enough and not come out at seven.
 * @param bits the value's representation
 * @returns the place behind the number
 */
function writeFloat(value: number, bits: number, start: number): number {
  const magnitude = Math.abs(value);
  scratch[start] = MINUS;
  const at = start + (bits >>> 31);
  const whole = magnitude | 0;
  if (whole === magnitude) return writeInteger(whole, at);
  if (!(magnitude >= 1e-13 && magnitude < 1e9)) return writeText(value, start);
  const exponent = (bits >>> 23) & 0xff;
  const place = PLACES[exponent]! + Number(magnitude >= NEXT_PLACES[exponent]!);
  const scale = SCALES[8 - place]!;
  const scaled = magnitude * scale;
  const near = HALF_GAPS[exponent]! * scale - SAFETY;
  // Below a power of two the gap is half as large.
  const lowest = scaled - ((bits & 0x7fffff) === 0 ? near / 2 : near);
  const highest = scaled + near;
  if (near > HALF_OF_SEVENTH) {
    const six = Math.floor(scaled * 0.001 + 0.5) * 1000;
    if (six > lowest && six < highest) return writeDecimal(six, 3, place, at);
  }
  const seven = Math.floor(scaled * 0.01 + 0.5) * 100;
  const eight = Math.floor(scaled * 0.1 + 0.5) * 10;
  // Without branches: how many digits a number needs, no processor can predict.
  const sevenDo = Number(seven > lowest) & Number(seven < highest);
  const eightDo = Number(eight > lowest) & Number(eight < highest);
  candidates[0] = Math.floor(scaled + 0.5);
  candidates[1] = eight;
  candidates[2] = seven;
  const zeros = (sevenDo << 1) | (eightDo & ~sevenDo);
  return writeDecimal(candidates[zeros]!, zeros, place, at);
}

/**
 * Writes the number digits · 10^(place - 8), which is no integer.
 * @param digits nine: 10^8 to 10^9, the upper end where rounding made a tenth
 * @param zeros so many of the last digits are known to be 0
 */
function writeDecimal(digits: number, zeros: number, place: number, start: number): number {
  const all = digits | 0;
  if (all === 1e9) return writeDecimal(1e8, 8, place + 1, start);
  const upper = (all / 10_000) | 0;
  const first = (upper / 10_000) | 0;
  const middle = upper - first * 10_000;
  const last = all - upper * 10_000;
  if (place <= 0 && place >= -6) {
    // 1.234 or 0.0012: the first digit before the point, or behind the zeros.
    view.setUint32(start, POINT_ZEROS);
    view.setUint32(start + 4, ZEROS);
    scratch[start + 1 - place - Number(place === 0)] = ZERO + first;
    return writeRest(middle, last, zeros, start + 2 - place);
  }
  scratch[start + 1] = ZERO + first;
  const end = writeRest(middle, last, zeros, start + 2);
  // The point goes behind as many digits as it takes, which move left.
  const before = Math.max(place, 0);
  for (let i = 0; i <= before; i++) scratch[start + i] = scratch[start + i + 1]!;
  scratch[start + before + 1] = POINT;
  if (place > 0) return end;
  // 1.2e-7, or 1e-7
  let at = scratch[end - 1] === POINT ? end - 1 : end;
  scratch[at++] = LETTER_E;
  scratch[at++] = MINUS;
  return writeInteger(-place, at);
}

/** '0.00' and '0000', as the four bytes of a big-endian integer. */
const POINT_ZEROS = Buffer.from('0.00').readUInt32BE();
const ZEROS = Buffer.from('0000').readUInt32BE();

/** Writes eight digits. @returns the place behind the last that is not 0 */
function writeRest(middle: number, last: number, zeros: number, start: number): number {
  view.setUint32(start, QUADS[middle]!);
  view.setUint32(start + 4, QUADS[last]!);
  let end = start + 8 - zeros;
  while (scratch[end - 1] === ZERO) end--;
  return end;
}

/** '0000' to '9999', as the four bytes of a big-endian integer. */
const QUADS = Uint32Array.from({ length: 10_000 }, (_, i) => Buffer.from(String(i).padStart(4, '0')).readUInt32BE());

/** '00' to '99' */
const PAIRS = Buffer.from(Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0')).join(''));

/** '0,' to '999,', each from the left in the four bytes of a little-endian integer, and the lengths of these. */
const SHORT = Uint32Array.from({ length: 1000 }, (_, i) => Buffer.from(`${i},`.padEnd(4)).readUInt32LE());
const SHORT_LENGTHS = Uint8Array.from({ length: 1000 }, (_, i) => `${i},`.length);

/** @param value an integer from 0 to 2^31 - 1 */
function writeInteger(value: number, start: number): number {
  if (value < SHORT.length) {
    view.setUint32(start, SHORT[value]!, true);
    return start + SHORT_LENGTHS[value]! - 1;
  }
  const end = start + countDigits(value);
  let rest = value;
  let at = end;
  while (rest >= 10) {
    const hundredth = (rest / 100) | 0;
    const pair = (rest - hundredth * 100) << 1;
    scratch[--at] = PAIRS[pair + 1]!;
    scratch[--at] = PAIRS[pair]!;
    rest = hundredth;
  }
  if (at > start) scratch[start] = ZERO + rest;
  return end;
}

function countDigits(value: number): number {
  if (value < 1e4) return value < 1e2 ? (value < 10 ? 1 : 2) : value < 1e3 ? 3 : 4;
  if (value < 1e7) return value < 1e6 ? (value < 1e5 ? 5 : 6) : 7;
  return value < 1e9 ? (value < 1e8 ? 8 : 9) : 10;
}

/** Zero, infinities, and what is too large or too small to be scaled exactly. */
function writeText(value: number, start: number): number {
  return start + scratch.write(printRare(value), start, 'latin1');
}

function printRare(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return printDouble(value);
  // Subnormal numbers hold fewer digits.
  for (let digits = Math.abs(value) < 2 ** -126 ? 1 : 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return `${candidate}`;
  }
  return `${Number(value.toPrecision(9))}`;
}
