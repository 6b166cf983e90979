// Between bytes and tensors: what a request and a response look like once they have left the wire.

import type { InferenceResponse, RequestedOutput } from '../inference.ts';
import type { ModelSignature } from '../tensor/signature.ts';
import type { NamedTensors } from '../tensor/tensor.ts';

/** The model a request is for, as far as decoding needs it. */
export interface DecodingTarget {
  readonly name: string;
  readonly signature: ModelSignature;
}

/** An output asked for by name, and the form it is wanted in. */
export interface EncodedOutput extends RequestedOutput {
  readonly binary: boolean;
}

export interface DecodedRequest {
  readonly id: string | undefined;
  readonly inputs: NamedTensors;
  /** Outputs asked for by name, none twice; undefined: all. */
  readonly outputs: readonly EncodedOutput[] | undefined;
  /** Form of the outputs that were not asked for by name. */
  readonly binaryOutput: boolean;
  /** The protocol's `timeout` parameter, in microseconds. */
  readonly timeoutUs: number | undefined;
  /** The protocol's `priority` parameter: 1 is the most urgent level; undefined: the model's usual one. */
  readonly priority: number | undefined;
}

export interface EncodedBody {
  readonly contentType: string;
  readonly body: string | Uint8Array;
  /** What follows `body`: large tensors as they lie in memory, because to join them would take as long as to send them. */
  readonly blobs?: readonly Uint8Array[];
  /** Length of the JSON in front of binary tensors, in bytes; undefined when all is JSON. */
  readonly headerLength: number | undefined;
}

export interface InferCodec<Request extends DecodedRequest = DecodedRequest> {
  /**
   * @param headerLength the Inference-Header-Content-Length header, in bytes
   * @throws ServingError INVALID_REQUEST or INVALID_INPUT that says what was expected, what came and where
   */
  decode(body: Buffer, headerLength: number | undefined, model: DecodingTarget): Request;
  encode(response: InferenceResponse, request: Request): EncodedBody;
}
