// Bodies of requests and answers, in JSON and with Triton's binary tensor extension: JSON first, then the tensors' bytes.

import type { Answer } from './connection.ts';
import { fromBytes, fromWire, printElements, toBytes, type WireTensor } from './elements.ts';
import { OrtletError } from './error.ts';
import type { AnyTensor, Datatype } from './model-types.ts';

/** Header with the length of the JSON in front of binary tensors, in bytes. */
const HEADER_LENGTH = 'inference-header-content-length';

export interface RequestMessage {
  readonly id: string | undefined;
  readonly inputs: ReadonlyMap<string, WireTensor>;
  /** Names of the outputs wanted; undefined: all. */
  readonly outputs: readonly string[] | undefined;
}

export interface AnswerMessage {
  readonly model: string;
  readonly version: string;
  readonly id: string | undefined;
  readonly outputs: Record<string, AnyTensor>;
}

export interface EncodedMessage {
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

/** @param binary whether tensors travel as bytes, those of the answer too */
export function encodeRequest({ id, inputs, outputs }: RequestMessage, binary: boolean): EncodedMessage {
  const blobs: Uint8Array[] = [];
  const printed = Array.from(inputs, ([name, tensor]) => {
    const head = `"name":${JSON.stringify(name)},"shape":[${tensor.shape.join()}],"datatype":"${tensor.datatype}"`;
    if (!binary) return `{${head},"data":[${printElements(tensor)}]}`;
    const blob = toBytes(tensor);
    blobs.push(blob);
    return `{${head},"parameters":{"binary_data_size":${blob.length}}}`;
  });
  const wanted = outputs?.map((name) => ({ name, ...(binary ? { parameters: { binary_data: true } } : {}) }));
  const members = [
    ...(id === undefined ? [] : [`"id":${JSON.stringify(id)}`]),
    `"inputs":[${printed.join()}]`,
    ...(wanted ? [`"outputs":${JSON.stringify(wanted)}`] : []),
    ...(binary && !wanted ? ['"parameters":{"binary_data_output":true}'] : []),
  ];
  const json = `{${members.join()}}`;
  if (!binary) return { headers: { 'content-type': 'application/json' }, body: json };
  const head = new TextEncoder().encode(json);
  return {
    headers: {
      'content-type': 'application/octet-stream',
      [HEADER_LENGTH]: String(head.length),
      // Numbers in binary form hardly become smaller, and packing takes longer than the way.
      'accept-encoding': 'identity',
    },
    body: concatenate([head, ...blobs]),
  };
}

/** @throws OrtletError for an answer that cannot be read */
export function decodeAnswer({ headers, body }: Answer): AnswerMessage {
  const headerLength = headers.get(HEADER_LENGTH);
  if (headerLength === null && headers.get('content-type')?.startsWith('application/octet-stream')) {
    throw new OrtletError(
      `the answer is binary, but its header ${HEADER_LENGTH} is hidden: let the proxy pass it on, and across origins ` +
        'name it in Access-Control-Expose-Headers.',
      { status: 200 },
    );
  }
  let offset = headerLength === null ? body.byteLength : Number(headerLength);
  const answer = parseJson<WireAnswer>(new Uint8Array(body, 0, offset));
  const outputs = answer.outputs.map(({ name, datatype, shape, data, parameters }) => {
    const start = offset;
    offset += parameters?.binary_data_size ?? 0;
    const elements = data ?? fromBytes(datatype, body.slice(start, offset));
    return [name, { datatype, shape, data: fromWire(datatype, elements) } as AnyTensor] as const;
  });
  return {
    model: answer.model_name,
    version: answer.model_version,
    id: answer.id,
    outputs: Object.fromEntries(outputs),
  };
}

interface WireAnswer {
  readonly model_name: string;
  readonly model_version: string;
  readonly id?: string;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: Datatype;
    readonly shape: readonly number[];
    readonly data?: readonly unknown[];
    readonly parameters?: { readonly binary_data_size?: number };
  }[];
}

/** A string, which is left alone, or one of the numbers that JSON.parse refuses or rounds. */
const TOKENS = /(?<!\\)"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN|(?<![\d.])-?\d{16,}(?![\d.eE])/g;

/**
 * Numbers that JSON.parse refuses or rounds become strings; the datatype beside them says that they are none.
 * @throws OrtletError for text that is no JSON
 */
export function parseJson<Body>(bytes: Uint8Array | ArrayBuffer): Body {
  const text = new TextDecoder().decode(bytes);
  const quoted = (token: string) => (token.startsWith('"') ? token : `"${token}"`);
  try {
    return JSON.parse(/NaN|Infinity|\d{16}/.test(text) ? text.replaceAll(TOKENS, quoted) : text) as Body;
  } catch (error) {
    const begin = JSON.stringify(text.slice(0, 80));
    throw new OrtletError(`the answer is no JSON, so it is not the server's: it begins with ${begin}.`, {
      status: 200,
      cause: error,
    });
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
