// A request on a route that has one body for several dialects: with `instances` it is TensorFlow Serving's, else the Open
// Inference Protocol's.

import type { DecodedRequest, InferCodec } from './codec.ts';
import { JsonFault } from './element-cursor.ts';
import { jsonCodec } from './json-codec.ts';
import { walkMembers } from './json-walk.ts';
import { endOfValue, readKey, skipSpace } from './lifted-json.ts';
import { predictCodec } from './predict-codec.ts';
import type { PredictRequest } from './predict-request.ts';

export const invocationsCodec: InferCodec = {
  decode: (body, headerLength, model) =>
    hasInstances(body) ? predictCodec.decode(body, headerLength, model) : jsonCodec.decode(body),
  encode: (response, request) =>
    isPredict(request) ? predictCodec.encode(response, request) : jsonCodec.encode(response, request),
};

export function isPredict(request: DecodedRequest): request is PredictRequest {
  return 'form' in request;
}

/** What is no JSON is for the codec to refuse. */
function hasInstances(bytes: Buffer): boolean {
  let found = false;
  try {
    walkMembers(bytes, skipSpace(bytes, 0), (key, keyEnd, at) => {
      found ||= readKey(bytes, key, keyEnd) === 'instances';
      return endOfValue(bytes, at);
    });
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
  }
  return found;
}
