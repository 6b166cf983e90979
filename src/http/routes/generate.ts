// Triton's generate extension: text in, text out, in a flat object; as one answer, or as a stream of one event.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DecodingThread } from '../../codec/decoding-thread.ts';
import { encodeEvent } from '../../codec/generate-codec.ts';
import { type InferenceExchange, unreachable } from '../inference-exchange.ts';
import { jsonDialect } from '../json-dialect.ts';
import { DIALECT_INFERENCE, describeRoute } from '../openapi.ts';

interface ModelPath {
  Params: { model: string; version?: string };
}

export function generateRoutes(app: FastifyInstance, exchange: InferenceExchange, thread: DecodingThread): void {
  // As in Triton, bodies are not packed on these routes.
  const whole = { ...jsonDialect('generate', thread), unpacked: true };
  const streamed = { ...whole, encode: encodeEvent };
  for (const [path, suffix, of] of [
    ['/v2/models/:model', '', 'the newest ready version of a model'],
    ['/v2/models/:model/versions/:version', 'Version', 'a version of a model'],
  ] as const) {
    for (const [verb, dialect, answer] of [
      ['generate', whole, { response: 'generateResponse' }],
      ['generate_stream', streamed, { responseType: 'text/event-stream' }],
    ] as const) {
      const onRequest = (request: FastifyRequest<ModelPath>, reply: FastifyReply) =>
        exchange.answer(request, reply, request.params, dialect);
      const schema = describeRoute({
        operationId: `${verb === 'generate' ? 'generate' : 'generateStream'}${suffix}`,
        summary: `Run ${of} on a flat object${verb === 'generate' ? '' : '; the answer is an event'}`,
        ...DIALECT_INFERENCE,
        body: 'generateRequest',
        ...answer,
      });
      app.post<ModelPath>(`${path}/${verb}`, { schema, onRequest }, unreachable);
    }
  }
}
