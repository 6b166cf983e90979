// A tensor out of a JSON value without a shape beside it: nested arrays, or a lone value for a scalar.

import { ServingError } from '../errors.ts';
import { elementCount, type Tensor } from '../tensor/tensor.ts';
import { JsonFault } from './element-cursor.ts';
import { joinValues } from './joined-values.ts';
import { type ElementSource, noJson, readElements } from './json-elements.ts';
import { nestedShape, RaggedFault } from './nested-shape.ts';
import { checkStrings } from './request-parts.ts';

const OPEN_ARRAY = 0x5b;

/** @throws ServingError INVALID_INPUT, or INVALID_REQUEST for what is no JSON */
export function readNested(source: ElementSource): Tensor {
  const { datatype, bytes, range } = source;
  if (bytes[range.start] !== OPEN_ARRAY) {
    const single = { ...source, ...joinValues(bytes, [range.start, range.end]) };
    return { datatype, shape: [], data: readElements(single, 1) };
  }
  const shape = shapeOf(source);
  const length = elementCount(shape);
  if (datatype === 'BYTES') checkStrings(length);
  return { datatype, shape, data: readElements(source, length) };
}

function shapeOf(source: ElementSource): number[] {
  try {
    return nestedShape(source.bytes, source.range);
  } catch (error) {
    if (error instanceof JsonFault) throw noJson(source, error);
    if (!(error instanceof RaggedFault)) throw error;
    throw new ServingError('INVALID_INPUT', `input '${source.name}' is ragged: ${error.message}. Make them alike.`);
  }
}
