// Requests and responses that are JSON throughout (Open Inference Protocol v2, "Inference").

import { ServingError } from '../errors.ts';
import type { InferenceResponse } from '../inference.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { DecodedRequest, EncodedBody, InferCodec } from './codec.ts';
import { printElements } from './print-elements.ts';
import { decodeEnvelope } from './request-envelope.ts';

export const jsonCodec = {
  decode(body: Buffer): DecodedRequest {
    return decodeEnvelope(body, ({ name }) => {
      throw new ServingError(
        'INVALID_REQUEST',
        `input '${name}' has 'binary_data_size', but the request has no Inference-Header-Content-Length header. ` +
          'Set it to the length of the JSON in bytes, or send the elements as data.',
      );
    });
  },

  encode(response: InferenceResponse, request: DecodedRequest): EncodedBody {
    let outputs = '';
    for (const [name, tensor] of response.outputs) outputs += (outputs && ',') + printOutput(name, tensor);
    return {
      contentType: 'application/json',
      body: printResponse(response, request, outputs),
      headerLength: undefined,
    };
  },
} satisfies InferCodec;

/** One output with its elements. */
export function printOutput(name: string, { datatype, shape, data }: Tensor): string {
  const elements = printElements(datatype, data);
  return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join()}],"data":[${elements}]}`;
}

/** @param outputs with a comma between each two */
export function printResponse({ model, version }: InferenceResponse, { id }: DecodedRequest, outputs: string): string {
  // Names of models have nothing in them that JSON would escape.
  const name = `"model_name":"${model}","model_version":"${version}"`;
  return `{${name}${id === undefined ? '' : `,"id":${JSON.stringify(id)}`},"outputs":[${outputs}]}`;
}
