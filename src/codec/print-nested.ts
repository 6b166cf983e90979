// Outputs as TensorFlow Serving prints them: nested as their shape says, floats always with a point or an exponent, and
// binary strings as base64.

import type { NumericArray } from '../tensor/datatype.ts';
import { elementCount, type Tensor } from '../tensor/tensor.ts';
import { printBase64 } from './base64.ts';
import { printElements } from './print-elements.ts';

/** @param name of the output: one called `…_bytes` holds binary strings */
export function printNested(name: string, tensor: Tensor): string {
  const { shape } = tensor;
  if (shape.length === 0) return printPieces(name, tensor, 1, 1)[0]!;
  return `[${(shape.length === 1 ? printPieces(name, tensor, 1, shape[0]!) : printRows(name, tensor)).join()}]`;
}

/** One text for each index of the first dimension, of which there must be one. */
export function printRows(name: string, tensor: Tensor): string[] {
  const { shape } = tensor;
  if (shape.length === 1) return printPieces(name, tensor, shape[0]!, 1);
  const outer = shape.slice(0, -1);
  let texts = printPieces(name, tensor, elementCount(outer), shape.at(-1)!).map((text) => `[${text}]`);
  for (; outer.length > 1; outer.pop()) texts = group(texts, elementCount(outer.slice(0, -1)), outer.at(-1)!);
  return texts;
}

function group(texts: readonly string[], count: number, size: number): string[] {
  return Array.from({ length: count }, (_, i) => `[${texts.slice(i * size, (i + 1) * size).join()}]`);
}

/** To print so few elements by themselves costs more than to cut them out of all. */
const FEW = 32;

/** The elements, `count` times `width` of them, without brackets. */
function printPieces(name: string, tensor: Tensor, count: number, width: number): string[] {
  const { datatype, data } = tensor;
  if (datatype !== 'BYTES' && width < FEW) return cut(printNumbers(tensor), count, width);
  return Array.from({ length: count }, (_, i) => {
    const [start, end] = [i * width, (i + 1) * width];
    if (datatype !== 'BYTES') return printNumbers({ ...tensor, data: (data as NumericArray).subarray(start, end) });
    const texts = (data as readonly string[]).slice(start, end);
    return name.endsWith('_bytes') ? texts.map(printBase64).join() : printElements(datatype, texts);
  });
}

/** A number without a point and an exponent. */
const WHOLE = /(^|,)(-?[0-9]+)(?=,|$)/g;

function printNumbers({ datatype, data }: Tensor): string {
  const text = printElements(datatype, data);
  return datatype.startsWith('FP') ? text.replace(WHOLE, '$1$2.0') : text;
}

function cut(text: string, count: number, width: number): string[] {
  let start = 0;
  return Array.from({ length: count }, () => {
    let end = start - 1;
    for (let i = 0; i < width && end < text.length; i++) {
      end = text.indexOf(',', end + 1);
      if (end < 0) end = text.length;
    }
    const piece = text.slice(start, Math.max(end, start));
    start = end + 1;
    return piece;
  });
}
