// How a server leaves its connections to others without a client noticing.

import type { Server as HttpServer, ServerResponse } from 'node:http';
import { Server as ListeningServer } from 'node:net';

/**
 * Accepts no connection any more. Those that are open are served on, and each is told by its next answer to close.
 * Resolves when all have gone, or after `graceMs`: a client that asks nothing in that time is cut off while idle.
 */
export async function leaveConnections(server: HttpServer, graceMs: number): Promise<void> {
  server.prependListener('request', (_request, response: ServerResponse) => response.setHeader('connection', 'close'));
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, graceMs);
  // An HTTP server's own close() would end idle connections, on which a request may be on its way.
  ListeningServer.prototype.close.call(server, () => resolve());
  await promise;
  clearTimeout(timer);
}
