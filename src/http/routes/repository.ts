// The model repository extension: what there is, loading and unloading.

import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { repositoryIndexRequest } from '../../codec/schema.ts';
import { ServingError } from '../../errors.ts';
import type { Registry } from '../../repository/registry.ts';
import { describeRoute } from '../openapi.ts';

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
        if (!controlAllowed) {
          throw new ServingError(
            'MODEL_CONTROL_DISABLED',
            `explicit model load / unload is not allowed: the server runs without modelControl 'explicit'.`,
          );
        }
        await run(params.model);
        return reply.send();
      },
    );
  }
}

function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const text = Buffer.isBuffer(body) ? body.toString('utf8').trim() : '';
  const result = schema.safeParse(text === '' ? {} : parseJson(text));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') || 'body';
  throw new ServingError(
    'INVALID_REQUEST',
    `Invalid value for '${where}': ${issue?.message.replace(/^Invalid input: /, '')}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ServingError('INVALID_REQUEST', 'failed to parse the request JSON buffer: send a JSON object or nothing');
  }
}
