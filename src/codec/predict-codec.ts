// TensorFlow Serving's predict API: rows under `instances` are answered by `predictions`, columns under `inputs` by
// `outputs`. KServe's V1 protocol and Vertex AI are its row form.

import { ServingError } from '../errors.ts';
import type { InferenceResponse } from '../inference.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { EncodedBody, InferCodec } from './codec.ts';
import { decodePredict, type PredictRequest } from './predict-request.ts';
import { printNested, printRows } from './print-nested.ts';

export const predictCodec: InferCodec<PredictRequest> = {
  decode: (body, _headerLength, model) => decodePredict(body, model),

  encode(response, { form }): EncodedBody {
    const body =
      form === 'rows' ? `{"predictions":[${printPredictions(response)}]}` : `{"outputs":${printColumns(response)}}`;
    return { contentType: 'application/json', body, headerLength: undefined };
  },
};

/** One value for each row: of one output alone, else an object with each. */
function printPredictions({ model, outputs }: InferenceResponse): string {
  const columns = Array.from(outputs, ([name, tensor]) => ({ key: JSON.stringify(name), rows: rowsOf(name, tensor) }));
  const [first] = columns;
  if (!first) return '';
  if (columns.length === 1) return first.rows.join();
  if (columns.some(({ rows }) => rows.length !== first.rows.length)) {
    const sizes = columns.map(({ key, rows }) => `${key} ${rows.length}`).join(', ');
    throw noRows(`the outputs of model '${model}' have different first dimensions: ${sizes}`);
  }
  return first.rows.map((_, i) => `{${columns.map(({ key, rows }) => `${key}:${rows[i]}`).join()}}`).join();
}

function rowsOf(name: string, tensor: Tensor): string[] {
  if (tensor.shape.length === 0) throw noRows(`the output '${name}' is a scalar`);
  return printRows(name, tensor);
}

function printColumns({ outputs }: InferenceResponse): string {
  if (outputs.size === 1) for (const [name, tensor] of outputs) return printNested(name, tensor);
  return `{${Array.from(outputs, ([name, tensor]) => `${JSON.stringify(name)}:${printNested(name, tensor)}`).join()}}`;
}

function noRows(what: string): ServingError {
  return new ServingError('INVALID_REQUEST', `${what}, so they are no rows. Ask in columns: send 'inputs'.`);
}
