// IEEE 754 half precision as raw 16 bits, for runtimes without Float16Array. Rounds as the server does, so that a number
// arrives the same in JSON and in binary form.

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The half nearest to a number, ties to even; an infinity beyond ±65504. */
export function toHalf(value: number): number {
  float[0] = value;
  // What the float32 lost is kept in its last bit: a number beside the middle of two halves is not to be rounded twice.
  if (float[0] !== value) bits[0] = (Math.abs(float[0]) > Math.abs(value) ? bits[0]! - 1 : bits[0]!) | 1;
  const sign = (bits[0]! >>> 16) & 0x8000;
  const magnitude = bits[0]! & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0x0fff + ((magnitude >>> 13) & 1)) >>> 13);
  // Below the normal halves come multiples of 2^-24; a double next to 2^52 has no fraction, so adding rounds.
  return sign | (Math.abs(value) * 2 ** 24 + 2 ** 52 - 2 ** 52);
}

/** The number that a half stands for, exactly. */
export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x03ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
