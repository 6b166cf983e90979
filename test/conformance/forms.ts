// The two forms in which a server is asked and answers, written and read here without the server's own codecs.

import { decodeStrings, encodeStrings } from '../../src/tensor/bytes.ts';
import { type Datatype, type NumericArray, traitsOf } from '../../src/tensor/datatype.ts';
import { elementCount, type NamedTensors, rawBytes, type Tensor, viewBytes } from '../../src/tensor/tensor.ts';
import { type Elements, elementsOf } from './elements.ts';
import { parseJson, printValues } from './json.ts';

/** A body, with the length of the JSON in front of binary tensors. */
export interface Body {
  readonly bytes: Uint8Array;
  readonly headerLength: number | undefined;
}

export interface Form {
  encode(inputs: NamedTensors): Body;
  /** @throws Error when the answer is no answer of this form */
  decode(body: Body): Map<string, Elements>;
}

interface Output {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data?: readonly (number | bigint | string | boolean)[];
  readonly parameters?: { readonly binary_data_size: number };
}

export const json: Form = {
  encode(inputs) {
    const printed = Array.from(inputs, ([name, tensor]) => {
      const { datatype, shape, values } = elementsOf(tensor);
      return `${head(name, datatype, shape)},"data":[${printValues(datatype, values)}]}`;
    });
    return { bytes: Buffer.from(`{"inputs":[${printed}]}`), headerLength: undefined };
  },

  decode({ bytes, headerLength }) {
    if (headerLength !== undefined) throw new Error('a request in JSON was answered in binary');
    return new Map(outputsOf(bytes).map((output) => [output.name, fromJson(output)]));
  },
};

export const binary: Form = {
  encode(inputs) {
    const blobs = Array.from(inputs.values(), toBlob);
    const printed = Array.from(inputs, ([name, { datatype, shape }], i) => {
      return `${head(name, datatype, shape)},"parameters":{"binary_data_size":${blobs[i]!.byteLength}}}`;
    });
    const header = Buffer.from(`{"parameters":{"binary_data_output":true},"inputs":[${printed}]}`);
    return { bytes: Buffer.concat([header, ...blobs]), headerLength: header.byteLength };
  },

  decode({ bytes, headerLength }) {
    if (headerLength === undefined) throw new Error('a request for binary outputs was answered in JSON');
    let offset = headerLength;
    return new Map(
      outputsOf(bytes.subarray(0, headerLength)).map(({ name, datatype, shape, parameters }) => {
        const blob = bytes.subarray(offset, offset + parameters!.binary_data_size);
        offset += parameters!.binary_data_size;
        return [name, fromBlob(datatype, shape, blob)];
      }),
    );
  },
};

function head(name: string, datatype: Datatype, shape: readonly number[]): string {
  return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape}]`;
}

function outputsOf(bytes: Uint8Array): readonly Output[] {
  return (parseJson(Buffer.from(bytes).toString('utf8')) as { outputs: readonly Output[] }).outputs;
}

function fromJson({ datatype, shape, data }: Output): Elements {
  const wide = datatype === 'INT64' || datatype === 'UINT64';
  // Booleans become 0 and 1, the names of numbers that JSON has not become those numbers.
  const value = (given: unknown) => (wide ? BigInt(given as number) : Number(given));
  return { datatype, shape, values: datatype === 'BYTES' ? (data as readonly string[]) : data!.map(value) };
}

function toBlob({ datatype, data }: Tensor): Uint8Array {
  return datatype === 'BYTES' ? encodeStrings(data as readonly string[]) : rawBytes(data as NumericArray);
}

function fromBlob(datatype: Datatype, shape: readonly number[], blob: Uint8Array): Elements {
  if (datatype !== 'BYTES') {
    const length = blob.byteLength / traitsOf(datatype).bytes;
    return elementsOf({ datatype, shape, data: viewBytes(datatype, blob, length) });
  }
  const strings = decodeStrings(blob);
  if (!Array.isArray(strings) || strings.length !== elementCount(shape))
    throw new Error('an output of strings is not laid out as the protocol says');
  return { datatype, shape, values: strings };
}
