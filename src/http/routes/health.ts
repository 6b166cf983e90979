// Liveness, readiness and startup: answered by the parent alone, so they never wait for an engine.
//
// The third is named after the probe of Kubernetes that asks it, as the protocol's two are. It stays good once every
// model has been tried, whatever came of it: a model that cannot load is no reason to restart the server.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ServingError } from '../../errors.ts';
import type { DataPlane } from '../../serving/data-plane.ts';
import { describeRoute } from '../openapi.ts';

/** The reason for a "no", or undefined for a "yes". */
type Probe = () => string | undefined;

const RETRY_AFTER_MS = 1000;
/** What the query parameter may be; empty: it has no value. */
const VERBOSE = ['', 'true', 'false'];

export function healthRoutes(app: FastifyInstance, dataPlane: DataPlane): void {
  const probes = [
    { path: 'live', word: 'live', summary: 'Whether the process answers', probe: () => undefined },
    {
      path: 'ready',
      word: 'ready',
      summary: 'Whether the models that must be ready are, and the server is not shutting down',
      probe: () => dataPlane.unready,
    },
    {
      path: 'startup',
      word: 'started',
      summary: 'Whether every model has been tried',
      probe: () => (dataPlane.started ? undefined : 'its models are still loading.'),
    },
  ] as const;
  for (const { path, word, summary, probe } of probes) {
    app.get(
      `/v2/health/${path}`,
      {
        schema: describeRoute({
          operationId: path,
          summary,
          tag: 'health',
          query: {
            verbose: { type: 'string', enum: VERBOSE, description: 'Adds the reason and the state of each version' },
          },
          response: RESPONSES[path],
          errors: path === 'live' ? [400] : [400, 503],
        }),
        config: { scope: 'none' },
      },
      (request, reply) => {
        if (isVerbose(request)) return explain(reply, word, probe, dataPlane);
        return answer(word, probe());
      },
    );
  }
}

const RESPONSES = { live: 'serverLive', ready: 'serverReady', startup: 'serverStarted' } as const;

/** @throws ServingError MODEL_NOT_READY with the reason */
export function readiness({ unready }: DataPlane): { ready: true } {
  return answer('ready', unready) as { ready: true };
}

function answer(word: string, reason: string | undefined): Record<string, true> {
  if (reason === undefined) return { [word]: true };
  throw new ServingError('MODEL_NOT_READY', sentence(word, reason), { retryAfterMs: RETRY_AFTER_MS });
}

/** The same status, as one object for people and dashboards. */
function explain(reply: FastifyReply, word: string, probe: Probe, dataPlane: DataPlane) {
  const reason = probe();
  if (reason !== undefined) reply.code(503).header('retry-after', RETRY_AFTER_MS / 1000);
  return {
    [word]: reason === undefined,
    ...(reason !== undefined && { error: sentence(word, reason) }),
    models: dataPlane.index(),
  };
}

function sentence(word: string, reason: string): string {
  return `The server is not ${word}: ${reason}`;
}

/** `?verbose`, as Kubernetes' own health routes have it, and `?verbose=true`. @throws ServingError INVALID_REQUEST */
function isVerbose({ query }: FastifyRequest): boolean {
  const { verbose } = query as { verbose?: unknown };
  if (verbose === undefined) return false;
  if (VERBOSE.includes(verbose as string)) return verbose !== 'false';
  throw new ServingError('INVALID_REQUEST', "the query parameter 'verbose' must be true or false, or have no value");
}
