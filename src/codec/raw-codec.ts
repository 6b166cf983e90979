// Triton's raw binary request: a header length of 0 says that the whole body is the one input's bytes, and that every
// output is wanted in binary form.

import { ServingError } from '../errors.ts';
import { traitsOf } from '../tensor/datatype.ts';
import type { TensorMetadata } from '../tensor/signature.ts';
import { elementCount } from '../tensor/tensor.ts';
import { binaryCodec, readBlob } from './binary-codec.ts';
import type { DecodedRequest, DecodingTarget, InferCodec } from './codec.ts';

export const rawCodec: InferCodec = {
  decode(body: Buffer, _headerLength: number | undefined, { name, signature }: DecodingTarget): DecodedRequest {
    const [input, ...others] = signature.inputs;
    if (!input || others.length > 0) {
      throw new ServingError(
        'INVALID_REQUEST',
        `Raw request must only have 1 input (found 1) to be deduced but got ${signature.inputs.length} inputs in '${name}' model`,
      );
    }
    const shape = deduceShape(input, body.length);
    const blob = input.datatype === 'BYTES' ? withLength(body) : body;
    const tensor = { datatype: input.datatype, shape, data: readBlob(input, blob, elementCount(shape)) };
    const inputs = new Map([[input.name, tensor]]);
    return { id: undefined, inputs, outputs: undefined, binaryOutput: true, timeoutUs: undefined, priority: undefined };
  },

  encode: binaryCodec.encode,
};

/** The signature's shape with its one free dimension after the rows filled in; a batch of one row. */
function deduceShape({ name, datatype, shape }: TensorMetadata, byteLength: number): number[] {
  if (datatype === 'BYTES') {
    if (shape.length === 1 && (shape[0] === 1 || shape[0] === -1)) return [1];
    throw new ServingError(
      'INVALID_REQUEST',
      `For BYTE datatype raw input '${name}', the model must have input shape [1]`,
    );
  }
  const size = byteLength / traitsOf(datatype).bytes;
  const free = shape.flatMap((dimension, axis) => (dimension < 0 ? [axis] : []));
  if (free.length <= 1) {
    const fixed = elementCount(shape.filter((dimension) => dimension >= 0));
    return shape.map((dimension) => (dimension < 0 ? Math.floor(size / fixed) : dimension));
  }
  if (free.length === 2 && free[0] === 0)
    return deduceShape({ name, datatype, shape: [1, ...shape.slice(1)] }, byteLength);
  throw new ServingError(
    'INVALID_REQUEST',
    `The shape of the raw input '${name}' can not be deduced because there are more than one variable-sized dimension`,
  );
}

function withLength(body: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}
