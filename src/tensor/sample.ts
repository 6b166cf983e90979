// Inputs made up from a signature: for the first run of a model, for the proof that its rows are independent, and for
// the sample bodies in the API document.

import type { NumericArray } from './datatype.ts';
import type { TensorMetadata } from './signature.ts';
import { allocate, elementCount, type NamedTensors, type Tensor } from './tensor.ts';

/** `rows`: size of the free first dimensions; `size`: of every other free dimension; `seed`: equal seeds, equal values. */
export interface SampleOptions {
  readonly rows: number;
  readonly size: number;
  readonly seed: number;
}

const WORDS = ['red', 'green', 'blue', 'one', 'two', 'free', 'money', 'meeting'];

/**
 * One tensor for each input, which is its default value where it has one. Integers are 0 or 1 (valid as an index, a mask and a flag), floats have two decimals between
 * 0 and 1, strings are common words.
 */
export function sampleInputs(inputs: readonly TensorMetadata[], options: SampleOptions): NamedTensors {
  const random = generator(options.seed);
  return new Map(inputs.map((input) => [input.name, input.defaultValue ?? sampleTensor(input, options, random)]));
}

function sampleTensor(input: TensorMetadata, options: SampleOptions, random: () => number): Tensor {
  const shape = input.shape.map((dimension, axis) => (dimension >= 0 ? dimension : freeSize(input, axis, options)));
  const length = elementCount(shape);
  const { datatype } = input;
  if (datatype === 'BYTES') {
    return { datatype, shape, data: Array.from({ length }, () => WORDS[Math.floor(random() * WORDS.length)]!) };
  }
  const data = allocate(datatype, length) as NumericArray;
  for (let i = 0; i < length; i++) data[i] = sampleValue(datatype, random());
  return { datatype, shape, data };
}

function sampleValue(datatype: Exclude<Tensor['datatype'], 'BYTES'>, fraction: number): never {
  if (datatype === 'FP32' || datatype === 'FP64') return (Math.round(fraction * 100) / 100) as never;
  // Halves are raw bits: 0x3800 to 0x3bff are the numbers from 0.5 up to 1.
  if (datatype === 'FP16') return (0x3800 + Math.floor(fraction * 0x400)) as never;
  const flag = fraction < 0.5 ? 0 : 1;
  return (datatype === 'INT64' || datatype === 'UINT64' ? BigInt(flag) : flag) as never;
}

/** A dimension called `a + b` is as long as a and b together, as exporters write it for attention masks with a cache. */
function freeSize({ symbols }: TensorMetadata, axis: number, { rows, size }: SampleOptions): number {
  return axis === 0 ? rows : size * (symbols?.[axis] ?? '').split('+').length;
}

/** A small linear congruential generator (Numerical Recipes' constants): fractions in [0, 1). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
