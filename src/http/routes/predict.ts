// TensorFlow Serving's predict, which is KServe's V1 protocol too.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DecodingThread } from '../../codec/decoding-thread.ts';
import { ServingError } from '../../errors.ts';
import { type InferenceExchange, unreachable } from '../inference-exchange.ts';
import { jsonDialect } from '../json-dialect.ts';
import { DIALECT_INFERENCE, describeRoute } from '../openapi.ts';

interface ModelPath {
  Params: { model: string; version?: string; label?: string };
}

export function predictRoutes(app: FastifyInstance, exchange: InferenceExchange, thread: DecodingThread): void {
  const dialect = jsonDialect('predict', thread);
  const onRequest = (request: FastifyRequest<ModelPath>, reply: FastifyReply) => {
    const { model, version, label } = request.params;
    return exchange.answer(request, reply, { model, version: version ?? label }, dialect);
  };
  for (const [path, suffix, of] of MODEL_PATHS) {
    const schema = describeRoute({
      operationId: `predict${suffix}`,
      summary: `Run ${of}, in the words of TensorFlow Serving and KServe V1`,
      ...DIALECT_INFERENCE,
      body: 'predictRequest',
      response: 'predictResponse',
    });
    // A colon that begins no parameter is written twice.
    app.post<ModelPath>(`${path}::predict`, { schema, onRequest }, unreachable);
    for (const verb of ['classify', 'regress']) {
      app.post(`${path}::${verb}`, { schema: { hide: true } }, () => refuse(verb));
    }
  }
}

/** A colon ends the name. */
const NAME = '(^[^:/]+)';

/** Where TensorFlow Serving has a model, a version of it, and a label that stands for a version. */
export const MODEL_PATHS = [
  [`/v1/models/:model${NAME}`, '', 'the newest ready version of a model'],
  [`/v1/models/:model${NAME}/versions/:version${NAME}`, 'Version', 'a version of a model'],
  [`/v1/models/:model${NAME}/labels/:label${NAME}`, 'Label', 'the version of a model that a label stands for'],
] as const;

function refuse(verb: string): never {
  throw new ServingError(
    'NOT_SUPPORTED',
    `':${verb}' takes examples of TensorFlow, which ONNX models do not read. Use ':predict' with their inputs.`,
  );
}
