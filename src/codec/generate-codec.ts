// Triton's generate extension: a flat object whose keys are the model's inputs, and an answer whose keys are its outputs.
//
//   {"text":"free money","temperature":0.5}      {"model_name":"m","model_version":"1","label":"spam"}

import type { InferenceResponse } from '../inference.ts';
import type { DecodedRequest, EncodedBody, InferCodec } from './codec.ts';
import { decodeGenerate, type GenerateRequest } from './generate-request.ts';
import { printElements } from './print-elements.ts';

export const generateCodec: InferCodec<GenerateRequest> = {
  decode: (body, _headerLength, model) => decodeGenerate(body, model),
  encode: (response, request) => ({
    contentType: 'application/json',
    body: printGenerated(response, request),
    headerLength: undefined,
  }),
};

/** The answer as the one event of a stream. */
export function encodeEvent(response: InferenceResponse, request: GenerateRequest): EncodedBody {
  return {
    contentType: 'text/event-stream; charset=utf-8',
    body: `data: ${printGenerated(response, request)}\n\n`,
    headerLength: undefined,
  };
}

function printGenerated({ model, version, outputs }: InferenceResponse, request: GenerateRequest): string {
  const head = { ...idOf(request), model_name: model, model_version: version };
  const members = Array.from(outputs, ([name, { datatype, data }]) => {
    const elements = printElements(datatype, data);
    const key = name === request.textOutput ? 'text_output' : name;
    return `,${JSON.stringify(key)}:${data.length === 1 ? elements : `[${elements}]`}`;
  });
  return `${JSON.stringify(head).slice(0, -1)}${members.join('')}}`;
}

function idOf({ id }: DecodedRequest): { id?: string } {
  return id === undefined ? {} : { id };
}
