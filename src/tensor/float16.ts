// IEEE 754 half precision, as raw 16 bits. Node 22 has no Float16Array, and engines must not have one, so the
// conversion is done here for both.

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The half nearest to a number, ties to even; beyond ±65504 it becomes an infinity. */
export function toHalf(value: number): number {
  float[0] = value;
  // What the float32 lost is kept in its last bit, or a number beside the middle of two halves would be rounded twice.
  if (float[0] !== value) bits[0] = (Math.abs(float[0]) > Math.abs(value) ? bits[0]! - 1 : bits[0]!) | 1;
  const single = bits[0]!;
  const sign = (single >>> 16) & 0x8000;
  const magnitude = single & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Subnormal halves are multiples of 2^-24: scale, and round ties to even.
  if (magnitude < 0x38800000) return sign | roundTiesToEven(Math.abs(value) * 2 ** 24);
  return sign | ((magnitude - 0x38000000 + 0x0fff + ((magnitude >>> 13) & 1)) >>> 13);
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

function roundTiesToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
