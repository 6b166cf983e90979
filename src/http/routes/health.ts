// Liveness and readiness: answered by the parent alone, so they never wait for an engine.

import type { FastifyInstance } from 'fastify';
import { ServingError } from '../../errors.ts';
import type { DataPlane } from '../../serving/data-plane.ts';
import { describeRoute } from '../openapi.ts';

export function healthRoutes(app: FastifyInstance, dataPlane: DataPlane): void {
  app.get(
    '/v2/health/live',
    {
      schema: describeRoute({
        operationId: 'live',
        summary: 'Whether the process answers',
        tag: 'health',
        response: 'serverLive',
      }),
    },
    () => ({ live: true }),
  );
  app.get(
    '/v2/health/ready',
    {
      schema: describeRoute({
        operationId: 'ready',
        summary: 'Whether every model is ready',
        tag: 'health',
        response: 'serverReady',
        errors: [503],
      }),
    },
    () => readiness(dataPlane),
  );
}

/** @throws ServingError MODEL_NOT_READY with the reason */
export function readiness({ unready }: DataPlane): { ready: true } {
  if (!unready) return { ready: true };
  throw new ServingError('MODEL_NOT_READY', `The server is not ready: ${unready}`, { retryAfterMs: 1000 });
}
