// What is answered where no route is: whether the path exists at all, and with which methods.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ServingError } from '../errors.ts';

/** Makes the refusal of what no route takes: 405 with `Allow` where the path exists with another method, else 404. */
export function findRoutes(app: FastifyInstance): (request: FastifyRequest, reply: FastifyReply) => ServingError {
  const routes: { path: RegExp; method: string }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    const path = new RegExp(`^${url.replaceAll(PATH_TOKEN, patternOf)}/?$`);
    for (const one of [method].flat()) routes.push({ path, method: one });
  });
  return (request, reply) => {
    const [path = ''] = request.url.split('?');
    const written = path.replaceAll(/%3a/gi, ':');
    const fitting = routes.filter((route) => route.path.test(written));
    const allowed = [...new Set(fitting.map(({ method }) => method))];
    if (allowed.length === 0) {
      return new ServingError('NOT_FOUND', 'Not Found: there is no such route. See /docs for the routes there are.');
    }
    reply.header('allow', allowed.join(', '));
    return new ServingError('METHOD_NOT_ALLOWED', `Method Not Allowed: use ${allowed.join(' or ')} here.`);
  };
}

/** In a route: a colon that is one, a parameter perhaps with its own pattern, a character with a meaning in patterns. */
const PATH_TOKEN = /::|:\w+(?:\(\^?([^)]*)\))?|[.*+?^$()[\]\\]/g;

function patternOf(token: string, ownPattern: string | undefined): string {
  if (token === '::') return ':';
  return token.startsWith(':') ? (ownPattern ?? '[^/]+') : `\\${token}`;
}
