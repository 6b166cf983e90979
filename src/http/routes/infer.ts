// The Open Inference Protocol's inference: JSON, the binary tensor extension, raw binary.

import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { binaryCodec, wantsBinary } from '../../codec/binary-codec.ts';
import { type DecodingThread, LARGE_JSON_BYTES } from '../../codec/decoding-thread.ts';
import { jsonCodec } from '../../codec/json-codec.ts';
import { rawCodec } from '../../codec/raw-codec.ts';
import { ServingError } from '../../errors.ts';
import type { ErrorAnswer, ErrorAnswers } from '../error-handler.ts';
import { type Dialect, HEADER_LENGTH, type InferenceExchange, unreachable } from '../inference-exchange.ts';
import { describeRoute, INFER_ERRORS, INFER_REQUEST_HEADERS, INFER_RESPONSE_HEADERS } from '../openapi.ts';
import type { PlainHandler } from '../plain-connections.ts';
import type { PlainRequest } from '../plain-request.ts';

interface ModelPath {
  Params: { model: string; version?: string };
}

export function inferRoutes(app: FastifyInstance, exchange: InferenceExchange, thread: DecodingThread): void {
  const dialect = openInference(thread);
  const onRequest = (request: FastifyRequest<ModelPath>, reply: FastifyReply) =>
    exchange.answer(request, reply, request.params, dialect);
  for (const [path, suffix, summary] of [
    ['/v2/models/:model', '', 'Run the newest ready version of a model'],
    ['/v2/models/:model/versions/:version', 'Version', 'Run a version of a model'],
  ] as const) {
    const schema = describeRoute({
      operationId: `infer${suffix}`,
      summary,
      tag: 'inference',
      body: 'inferRequest',
      response: 'inferResponse',
      binary: true,
      requestHeaders: INFER_REQUEST_HEADERS,
      responseHeaders: INFER_RESPONSE_HEADERS,
      errors: INFER_ERRORS,
    });
    app.post<ModelPath>(`${path}/infer`, { schema, onRequest }, unreachable);
  }
}

/** The same for requests that are plain enough to come without node:http. */
export function answerPlainRequests(
  exchange: InferenceExchange,
  dialect: Dialect,
  errors: ErrorAnswers,
  newRequestId: (request: Pick<PlainRequest, 'headers'>) => string,
): PlainHandler {
  return (request, signal) => {
    const id = newRequestId(request);
    return exchange.answerPlain(request, id, signal, dialect).catch(async (error: Error) => {
      const route = `/v2/models/:model${request.version === undefined ? '' : '/versions/:version'}/infer`;
      const failed = { id, method: 'POST', route, bodyLimit: undefined };
      const answer = await new Promise<ErrorAnswer>((resolve) => errors.answer(error, failed, resolve));
      return { ...answer, headers: [...answer.headers, 'x-request-id', id] };
    });
  };
}

export function openInference(thread: DecodingThread): Dialect {
  return {
    decode(body, headers, model) {
      const headerLength = readHeaderLength(headers, body.length);
      if ((headerLength ?? body.length) > LARGE_JSON_BYTES) {
        // Before the work: whether there is such a model at all.
        model();
        return thread.decode(headerLength === undefined ? 'json' : 'binary', body, headerLength);
      }
      if (headerLength === undefined) return jsonCodec.decode(body);
      return headerLength === 0 ? rawCodec.decode(body, 0, model()) : binaryCodec.decode(body, headerLength);
    },
    encode: (response, request) => (wantsBinary(request) ? binaryCodec : jsonCodec).encode(response, request),
  };
}

function readHeaderLength(headers: IncomingHttpHeaders, bodyLength: number): number | undefined {
  const value = headers[HEADER_LENGTH];
  if (value === undefined) return undefined;
  const length = /^[0-9]{1,10}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (length <= bodyLength) return length;
  throw new ServingError(
    'INVALID_REQUEST',
    `Inference-Header-Content-Length must be the length of the JSON, from 0 to the body's ${bodyLength} bytes, got '${value}'`,
  );
}
