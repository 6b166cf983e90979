// The shared memory extensions are not offered: only clients on the same machine could gain, and it would be a way in.
// Their status is answered, because clients ask for it; nothing can be registered.

import type { FastifyInstance } from 'fastify';
import { ServingError } from '../../errors.ts';

export function sharedMemoryRoutes(app: FastifyInstance): void {
  // Left out of the API document, where they would only be in the way of what is offered.
  const hidden = { schema: { hide: true } };
  for (const kind of ['systemsharedmemory', 'cudasharedmemory']) {
    for (const path of [`/v2/${kind}`, `/v2/${kind}/region/:region`]) {
      app.get(`${path}/status`, hidden, () => []);
      app.post(`${path}/unregister`, hidden, refuse);
    }
    app.post(`/v2/${kind}/region/:region/register`, hidden, refuse);
  }
}

function refuse(): never {
  throw new ServingError('NOT_SUPPORTED', 'Shared memory is not offered by this server. Send tensors in the body.');
}
