// The shared memory extensions are not offered: only clients on the same machine could gain, and it would be a way in.
// Their status is answered, because clients ask for it; nothing can be registered.

import type { FastifyInstance } from 'fastify';
import { ServingError } from '../../errors.ts';
import { describeRoute } from '../openapi.ts';

export function sharedMemoryRoutes(app: FastifyInstance): void {
  for (const [kind, name] of [
    ['systemsharedmemory', 'SystemSharedMemory'],
    ['cudasharedmemory', 'CudaSharedMemory'],
  ] as const) {
    for (const [path, suffix] of [
      [`/v2/${kind}`, ''],
      [`/v2/${kind}/region/:region`, 'Region'],
    ] as const) {
      const describe = (operation: string, more: { response?: 'sharedMemoryStatus'; errors?: readonly number[] }) => ({
        schema: describeRoute({
          operationId: `${operation}${name}${suffix}`,
          summary: 'Not offered: send tensors in the body',
          tag: 'inference',
          ...more,
        }),
      });
      app.get(`${path}/status`, describe('status', { response: 'sharedMemoryStatus' }), () => []);
      if (suffix) app.post(`${path}/register`, describe('register', { errors: [501] }), refuse);
      app.post(`${path}/unregister`, describe('unregister', { errors: [501] }), refuse);
    }
  }
}

function refuse(): never {
  throw new ServingError('NOT_SUPPORTED', 'Shared memory is not offered by this server. Send tensors in the body.');
}
