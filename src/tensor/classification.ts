// The classification extension: an output as its highest classes, each `value:index` or `value:index:label`.

import { ServingError } from '../errors.ts';
import type { TensorMetadata } from './signature.ts';
import { elementCount, type Tensor } from './tensor.ts';

const MOST_ELEMENTS = 1_000_000;
/** Classes of an answer: each is a text, made on the event loop. */
const MOST_CLASSES = 65_536;
/** So many candidates at least are kept before the best of them are looked for. */
const LEAST_CANDIDATES = 256;
const REFUSED = ['BYTES', 'BOOL', 'FP16'];

/** @throws ServingError INVALID_REQUEST for a datatype that has no order, or none that the protocol gives it */
export function checkClassifiable({ name, datatype }: Pick<TensorMetadata, 'name' | 'datatype'>): void {
  if (!REFUSED.includes(datatype)) return;
  throw new ServingError(
    'INVALID_REQUEST',
    `class result not available for output '${name}' due to unsupported type '${datatype}'`,
  );
}

/**
 * @param hasRows whether the first dimension counts rows; each row is then classified by itself
 * @returns a BYTES tensor of shape [rows, min(count, elements of a row)], or without the rows
 * @throws ServingError INVALID_REQUEST for a tensor of over a million elements, or over 65,536 classes in all
 */
export function classify(
  { datatype, shape, data }: Tensor,
  count: number,
  hasRows: boolean,
  labels: readonly string[],
): Tensor {
  if (data.length > MOST_ELEMENTS) throw new ServingError('INVALID_REQUEST', 'classification output tensor too large');
  const rows = hasRows ? shape[0]! : 1;
  const width = hasRows ? elementCount(shape.slice(1)) : data.length;
  const best = Math.min(count, width);
  if (rows * best > MOST_CLASSES) {
    const message = `'classification' asks for ${rows * best} classes: at most ${MOST_CLASSES} are given in an answer`;
    throw new ServingError('INVALID_REQUEST', message);
  }
  const print = (value: number | bigint) => (datatype.startsWith('FP') ? Number(value).toFixed(6) : String(value));
  const values = data as ArrayLike<number | bigint>;
  const classes: string[] = [];
  for (let row = 0; row < rows; row++) {
    for (const i of highest(values, row * width, width, best)) {
      classes.push(`${print(values[row * width + i]!)}:${i}${labels[i] === undefined ? '' : `:${labels[i]}`}`);
    }
  }
  return { datatype: 'BYTES', shape: hasRows ? [rows, best] : [best], data: classes };
}

/**
 * Where the highest values are, from the highest down, equals in their order and NaN last: in one pass, because sorting
 * all of them would take seconds.
 * @param from, width where the values begin, and how many they are
 */
function highest(values: ArrayLike<number | bigint>, from: number, width: number, count: number): number[] {
  const value = (i: number) => {
    const given = values[from + i]!;
    return Number.isNaN(given) ? Number.NEGATIVE_INFINITY : given;
  };
  const order = (a: number, b: number) => (value(a) < value(b) ? 1 : value(a) > value(b) ? -1 : a - b);
  const room = Math.max(2 * count, LEAST_CANDIDATES);
  const kept: number[] = [];
  let lowest: number | bigint | undefined;
  for (let i = 0; i < width; i++) {
    if (lowest !== undefined && value(i) <= lowest) continue;
    kept.push(i);
    if (kept.length < room) continue;
    kept.sort(order).length = count;
    lowest = value(kept.at(-1)!);
  }
  return kept.sort(order).slice(0, count);
}
