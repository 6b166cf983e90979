// The classification extension: an output as its highest classes, each `value:index` or `value:index:label`.

import { ServingError } from '../errors.ts';
import type { TensorMetadata } from './signature.ts';
import { elementCount, type Tensor } from './tensor.ts';

const MOST_ELEMENTS = 1_000_000;
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
 * @throws ServingError INVALID_REQUEST for a tensor of over a million elements
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
  const print = (value: number | bigint) => (datatype.startsWith('FP') ? Number(value).toFixed(6) : String(value));
  const classes: string[] = [];
  for (let row = 0; row < rows; row++) {
    const order = Array.from({ length: width }, (_, i) => i);
    const value = (i: number) => data[row * width + i] as number | bigint;
    order.sort((a, b) => (value(a) < value(b) ? 1 : value(a) > value(b) ? -1 : a - b));
    for (const i of order.slice(0, best)) {
      classes.push(`${print(value(i))}:${i}${labels[i] === undefined ? '' : `:${labels[i]}`}`);
    }
  }
  return { datatype: 'BYTES', shape: hasRows ? [rows, best] : [best], data: classes };
}
