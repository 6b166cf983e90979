// A request of TensorFlow Serving's predict API: which of its two forms it has, and its values as the model's tensors.

import { ServingError } from '../errors.ts';
import type { DecodedRequest, DecodingTarget } from './codec.ts';
import { JsonFault } from './element-cursor.ts';
import { liftJson } from './lifted-json.ts';
import { readColumns, readRows } from './predict-values.ts';

export interface PredictRequest extends DecodedRequest {
  readonly form: 'rows' | 'columns';
}

/** @throws ServingError INVALID_REQUEST or INVALID_INPUT */
export function decodePredict(bytes: Buffer, model: DecodingTarget): PredictRequest {
  const { value, ranges } = liftJson(bytes, (path) => path.length === 1 && isMember(path[0]));
  const request = checkEnvelope(value);
  const form = 'instances' in request ? 'rows' : 'columns';
  const member = form === 'rows' ? 'instances' : 'inputs';
  const source = { bytes, member, range: ranges[request[member] as number]! };
  try {
    const inputs = form === 'rows' ? readRows(source, model) : readColumns(source, model);
    return {
      id: undefined,
      inputs,
      outputs: undefined,
      binaryOutput: false,
      timeoutUs: undefined,
      priority: undefined,
      form,
    };
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    throw invalid(`failed to parse the request JSON buffer: ${error.message}, in '${member}' at ${error.at}`);
  }
}

function isMember(key: string | undefined): boolean {
  return key === 'instances' || key === 'inputs';
}

function checkEnvelope(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('the body must be an object');
  const members = Object.keys(value).filter(isMember);
  if (members.length !== 1) {
    const got = members.length === 0 ? 'neither' : 'both';
    throw invalid(`the body has ${got}: send either 'instances', a list of rows, or 'inputs', columns`);
  }
  if ('signature_name' in value && typeof value.signature_name !== 'string') {
    throw invalid(`'signature_name' must be a string, got ${JSON.stringify(value.signature_name)}`);
  }
  return value as Record<string, unknown>;
}

function invalid(message: string): ServingError {
  return new ServingError('INVALID_REQUEST', message);
}
