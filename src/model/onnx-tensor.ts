// One tensor as ONNX files hold it (TensorProto), field numbers as in onnx.proto: raw bytes, strings, or one of the typed lists.

import { type Datatype, traitsOf } from '../tensor/datatype.ts';
import { allocate, elementCount, type Tensor, type TensorData, viewBytes } from '../tensor/tensor.ts';
import { type ProtobufMessage, readMessage } from './protobuf.ts';

/** By onnx.TensorProto.DataType. */
const DATATYPES: Readonly<Record<number, Datatype>> = {
  1: 'FP32',
  2: 'UINT8',
  3: 'INT8',
  4: 'UINT16',
  5: 'INT16',
  6: 'INT32',
  7: 'INT64',
  8: 'BYTES',
  9: 'BOOL',
  10: 'FP16',
  11: 'FP64',
  12: 'UINT32',
  13: 'UINT64',
};

/** `name`: '' where none was recorded. `tensor`: undefined for an element type that the protocol has no name for. */
export function readTensorProto(bytes: Uint8Array): { readonly name: string; readonly tensor: Tensor | undefined } {
  const message = readMessage(bytes);
  const name = message.text(8);
  const datatype = DATATYPES[message.number(2)];
  if (!datatype) return { name, tensor: undefined };
  const shape = message.numbers(1);
  const data = readElements(message, datatype);
  if (data.length !== elementCount(shape))
    throw new Error(`tensor '${name}' has ${data.length} elements, its shape [${shape}] has ${elementCount(shape)}`);
  return { name, tensor: { datatype, shape, data } };
}

function readElements(message: ProtobufMessage, datatype: Datatype): TensorData {
  if (datatype === 'BYTES') return message.bytes(6).map((text) => Buffer.from(text).toString('utf8'));
  const [raw] = message.bytes(9);
  if (raw) return viewAll(datatype, raw);
  // Lists of floats and doubles are packed little-endian, as raw data are.
  const [floats] = message.bytes(datatype === 'FP64' ? 10 : 4);
  if (floats) return viewAll(datatype, floats);
  const field = datatype === 'INT64' ? 7 : datatype === 'UINT64' || datatype === 'UINT32' ? 11 : 5;
  const integers = unpack(message.bytes(field)[0] ?? new Uint8Array());
  const wide = datatype === 'INT64' || datatype === 'UINT64';
  const elements = allocate(datatype, integers.length);
  integers.forEach((integer, i) => {
    elements[i] = wide ? integer : Number(integer);
  });
  return elements;
}

function viewAll(datatype: Exclude<Datatype, 'BYTES'>, bytes: Uint8Array): TensorData {
  return viewBytes(datatype, bytes, Math.floor(bytes.byteLength / traitsOf(datatype).bytes));
}

/** Packed varints; negative numbers are in two's complement over 64 bits. */
function unpack(block: Uint8Array): bigint[] {
  const integers: bigint[] = [];
  let bits = 0n;
  let shift = 0n;
  for (const byte of block) {
    bits |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte >= 0x80) continue;
    integers.push(BigInt.asIntN(64, bits));
    bits = 0n;
    shift = 0n;
  }
  return integers;
}
