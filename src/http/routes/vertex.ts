// Vertex AI's contract of a container: the routes are its choice, and `instances` are answered by `predictions`.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { defaultModel, type PlatformParts } from '../default-model.ts';
import { unreachable } from '../inference-exchange.ts';
import { jsonDialect } from '../json-dialect.ts';
import { DIALECT_INFERENCE, describeRoute } from '../openapi.ts';
import { readiness } from './health.ts';

/** Paths of the platform's choice. */
export interface VertexRoutes {
  readonly health: string;
  readonly predict: string;
}

export function vertexRoutes(app: FastifyInstance, parts: PlatformParts, routes: VertexRoutes): void {
  const { exchange, dataPlane, thread } = parts;
  const health = describeRoute({
    operationId: 'vertexHealth',
    summary: 'Whether every model is ready; with `vertex: true`, where `vertexHealthRoute` says',
    tag: 'dialects',
    response: 'serverReady',
    errors: [503],
  });
  const url = literal(routes.health);
  // Operators may have pointed the platform at a route that is there for everyone.
  if (!app.hasRoute({ method: 'GET', url }))
    app.get(url, { schema: health, config: { scope: 'none' } }, () => readiness(dataPlane));
  const dialect = jsonDialect('predict', thread);
  const onRequest = (request: FastifyRequest, reply: FastifyReply) =>
    exchange.answer(request, reply, { model: defaultModel(parts) }, dialect);
  const schema = describeRoute({
    operationId: 'vertexPredict',
    summary: 'Run a model on `instances`; with `vertex: true`, where `vertexPredictRoute` says',
    ...DIALECT_INFERENCE,
    body: 'predictRequest',
    response: 'predictResponse',
  });
  app.post(literal(routes.predict), { schema, onRequest }, unreachable);
}

/** Vertex AI's own choice ends in `:predict`, which is no parameter. */
function literal(route: string): string {
  return route.replaceAll(':', '::');
}
