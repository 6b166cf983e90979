// Amazon SageMaker's contract of a container: it asks /ping, and sends every request to /invocations.

import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { EncodedBody } from '../../codec/codec.ts';
import type { DecodingThread } from '../../codec/decoding-thread.ts';
import { isPredict } from '../../codec/invocations-codec.ts';
import { defaultModel, type PlatformParts } from '../default-model.ts';
import { type Dialect, HEADER_LENGTH, unreachable } from '../inference-exchange.ts';
import { jsonDialect } from '../json-dialect.ts';
import { DIALECT_INFERENCE, describeRoute } from '../openapi.ts';
import { readiness } from './health.ts';
import { openInference } from './infer.ts';

const TARGET_MODEL = 'x-amzn-sagemaker-target-model';
/** SageMaker passes no header of ours on, so the length of the JSON stands in the Content-Type, both ways, as in Triton. */
const BINARY = 'application/vnd.sagemaker-triton.binary+json;json-header-size=';

export function sageMakerRoutes(app: FastifyInstance, parts: PlatformParts): void {
  const { exchange, dataPlane, thread } = parts;
  const ping = describeRoute({
    operationId: 'sageMakerPing',
    summary: 'Whether every model is ready; with `sageMaker: true`',
    tag: 'dialects',
    response: 'serverReady',
    errors: [503],
  });
  app.get('/ping', { schema: ping, config: { scope: 'none' } }, () => readiness(dataPlane));
  const dialect = invocations(thread);
  const onRequest = (request: FastifyRequest, reply: FastifyReply) => {
    const target = request.headers[TARGET_MODEL];
    // In an endpoint of several models, callers name an archive.
    const model =
      typeof target === 'string'
        ? target.replace(/\.tar\.gz$/, '')
        : defaultModel(parts, 'name it in the header X-Amzn-SageMaker-Target-Model, or ');
    return exchange.answer(request, reply, { model }, dialect);
  };
  const schema = describeRoute({
    operationId: 'sageMakerInvocations',
    summary: 'Run a model on an inference request, or on `instances`; with `sageMaker: true`',
    ...DIALECT_INFERENCE,
    body: 'inferRequest',
    response: 'inferResponse',
    binary: true,
  });
  app.post('/invocations', { schema, onRequest }, unreachable);
}

function invocations(thread: DecodingThread): Dialect {
  const json = jsonDialect('invocations', thread);
  const open = openInference(thread);
  return {
    decode(body, headers, model) {
      const known = withHeaderLength(headers);
      return HEADER_LENGTH in known ? open.decode(body, known, model) : json.decode(body, headers, model);
    },
    encode(response, request) {
      if (isPredict(request)) return json.encode(response, request);
      return withContentType(open.encode(response, request));
    },
  };
}

function withHeaderLength(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const type = headers['content-type']?.replaceAll(' ', '');
  return type?.startsWith(BINARY) ? { ...headers, [HEADER_LENGTH]: type.slice(BINARY.length) } : headers;
}

function withContentType(encoded: EncodedBody): EncodedBody {
  const { headerLength } = encoded;
  return headerLength === undefined ? encoded : { ...encoded, contentType: `${BINARY}${headerLength}` };
}
