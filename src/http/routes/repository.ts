// The model repository extension: what there is, loading and unloading.

import type { FastifyInstance } from 'fastify';
import { repositoryIndexRequest } from '../../codec/schema.ts';
import type { Registry } from '../../repository/registry.ts';
import { controlDisabled } from '../error-handler.ts';
import { describeRoute } from '../openapi.ts';
import { parseBody } from '../parse-body.ts';

interface ModelPath {
  Params: { model: string };
}

export function repositoryRoutes(app: FastifyInstance, registry: Registry, controlAllowed: boolean): void {
  app.post(
    '/v2/repository/index',
    {
      schema: describeRoute({
        operationId: 'repositoryIndex',
        summary: 'Every version with its state and the reason for it',
        tag: 'repository',
        body: 'repositoryIndexRequest',
        response: 'repositoryIndex',
        errors: [400],
      }),
    },
    ({ body }) => {
      const { ready } = parseBody(repositoryIndexRequest, body);
      return registry.index().filter(({ state }) => !ready || state === 'READY');
    },
  );
  for (const [action, run] of [
    ['load', (name: string) => registry.load(name)],
    ['unload', (name: string) => registry.unload(name)],
  ] as const) {
    app.post<ModelPath>(
      `/v2/repository/models/:model/${action}`,
      {
        schema: describeRoute({
          operationId: `${action}Model`,
          summary: action === 'load' ? 'Load a model, or load it again' : 'Unload a model after its running requests',
          tag: 'repository',
          errors: [400, 403, 404, 422],
        }),
      },
      async ({ params }, reply) => {
        if (!controlAllowed) throw controlDisabled('explicit model load / unload');
        await run(params.model);
        return reply.send();
      },
    );
  }
}
