// Triton's binary tensor data extension: JSON first, then the raw bytes of those tensors that are sent in binary form.

import { ServingError } from '../errors.ts';
import type { InferenceResponse } from '../inference.ts';
import { decodeStrings, encodeStrings } from '../tensor/bytes.ts';
import { type NumericArray, traitsOf } from '../tensor/datatype.ts';
import { rawBytes, type Tensor, type TensorData, viewBytes } from '../tensor/tensor.ts';
import type { DecodedRequest, EncodedBody, InferCodec } from './codec.ts';
import { printOutput, printResponse } from './json-codec.ts';
import { decodeEnvelope, type RequestInput } from './request-envelope.ts';

/** Up to so many bytes of tensors are copied behind the JSON: one small write is cheaper than two. */
const JOINED_BYTES = 64 * 1024;

export const binaryCodec = {
  decode(body: Buffer, headerLength = 0): DecodedRequest {
    let offset = headerLength;
    const request = decodeEnvelope(body.subarray(0, headerLength), (input, byteSize, length) => {
      const rest = body.length - offset;
      if (byteSize > rest) {
        throw new ServingError(
          'INVALID_REQUEST',
          `unexpected size for input '${input.name}', expecting ${byteSize - rest} additional bytes: ` +
            `'binary_data_size' is ${byteSize}, but only ${rest} bytes are left in the body`,
        );
      }
      const blob = body.subarray(offset, offset + byteSize);
      offset += byteSize;
      return readBlob(input, blob, length);
    });
    if (offset !== body.length) {
      const left = body.length - offset;
      throw new ServingError(
        'INVALID_REQUEST',
        `unexpected additional input data: ${left} bytes after the last tensor`,
      );
    }
    return request;
  },

  encode(response: InferenceResponse, request: DecodedRequest): EncodedBody {
    const blobs: Uint8Array[] = [];
    const outputs: string[] = [];
    for (const [name, tensor] of response.outputs) {
      if (!isBinary(name, request)) {
        outputs.push(printOutput(name, tensor));
        continue;
      }
      const blob = blobOf(tensor);
      blobs.push(blob);
      outputs.push(printBinaryOutput(name, tensor, blob.byteLength));
    }
    const json = Buffer.from(printResponse(response, request, outputs.join()));
    const head = { contentType: 'application/octet-stream', headerLength: json.byteLength };
    const length = blobs.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return length > JOINED_BYTES ? { ...head, body: json, blobs } : { ...head, body: Buffer.concat([json, ...blobs]) };
  },
} satisfies InferCodec;

/** Whether any output of the answer is wanted in binary form. */
export function wantsBinary({ outputs, binaryOutput }: DecodedRequest): boolean {
  return outputs ? outputs.some((output) => output.binary) : binaryOutput;
}

// As in Triton's code, an output that is listed without `binary_data` comes as JSON whatever the request's default is.
function isBinary(name: string, { outputs, binaryOutput }: DecodedRequest): boolean {
  return outputs ? outputs.some((output) => output.name === name && output.binary) : binaryOutput;
}

/** Elements of an input out of its bytes. @throws ServingError INVALID_INPUT for a size that does not fit */
export function readBlob(
  { name, datatype }: Pick<RequestInput, 'name' | 'datatype'>,
  blob: Uint8Array,
  length: number,
): TensorData {
  if (datatype === 'BYTES') return readStrings(name, blob, length);
  const expected = length * traitsOf(datatype).bytes;
  if (blob.byteLength !== expected) {
    throw new ServingError(
      'INVALID_INPUT',
      `input byte size mismatch for input '${name}'. Expected ${expected}, got ${blob.byteLength}`,
    );
  }
  const elements = viewBytes(datatype, blob, length);
  if (datatype === 'BOOL') checkBooleans(name, elements as Uint8Array);
  return elements;
}

function readStrings(name: string, blob: Uint8Array, length: number): readonly string[] {
  const strings = decodeStrings(blob);
  if (!Array.isArray(strings)) {
    const fault = strings as Exclude<typeof strings, string[]>;
    throw new ServingError(
      'INVALID_INPUT',
      `element ${fault.element} of BYTES input '${name}' is refused: ${fault.reason}`,
    );
  }
  if (strings.length !== length) {
    throw new ServingError(
      'INVALID_INPUT',
      `unexpected number of string elements ${strings.length} for inference input '${name}', expecting ${length}`,
    );
  }
  return strings;
}

function checkBooleans(name: string, bytes: Uint8Array): void {
  const wrong = bytes.findIndex((byte) => byte > 1);
  if (wrong < 0) return;
  throw new ServingError(
    'INVALID_INPUT',
    `element ${wrong} of BOOL input '${name}' must be 0 or 1, got ${bytes[wrong]}`,
  );
}

function blobOf({ datatype, data }: Tensor): Uint8Array {
  return datatype === 'BYTES' ? encodeStrings(data as readonly string[]) : rawBytes(data as NumericArray);
}

function printBinaryOutput(name: string, { datatype, shape }: Tensor, byteSize: number): string {
  const head = `"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join()}]`;
  return `{${head},"parameters":{"binary_data_size":${byteSize}}}`;
}
