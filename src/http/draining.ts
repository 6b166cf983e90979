// How a server leaves its connections to others, or ends them, without a client noticing.

import type { Server as HttpServer, ServerResponse } from 'node:http';
import { Server as ListeningServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const SWEEP_MS = 20;

export class ConnectionDraining {
  readonly #server: HttpServer;
  readonly #open = new Set<Socket>();
  #left: Promise<void> | undefined;

  /** @param server that has not listened yet */
  constructor(server: HttpServer) {
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.#open.add(socket);
      socket.once('close', () => this.#open.delete(socket));
    });
  }

  /**
   * Accepts no connection any more. Those that are open are served on, and each is told by its next answer to close; one
   * that asks nothing for `patienceMs` is cut off while idle. Resolves when all have gone.
   * @param hurry ends the patience
   */
  async drain(patienceMs: number, hurry?: AbortSignal): Promise<void> {
    this.#left ??= this.#stopAccepting();
    await Promise.race([this.#left, delay(patienceMs, undefined, { signal: hurry, ref: false })]).catch(() => {});
    const sweep = setInterval(() => this.#cutIdle(), SWEEP_MS);
    // Node's own check ends those whose request does not come to an end of its head.
    this.#server.headersTimeout = Math.min(this.#server.headersTimeout, patienceMs);
    await this.#left.finally(() => clearInterval(sweep));
  }

  async #stopAccepting(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const closing = (_request: unknown, response: ServerResponse) => response.setHeader('connection', 'close');
    this.#server.prependListener('request', closing);
    // Right after the event loop has accepted all that waited, because the kernel resets what still waits at a listener
    // that closes. An HTTP server's own close() would end idle connections, on which a request may be on its way.
    setImmediate(() => ListeningServer.prototype.close.call(this.#server, () => resolve()));
    await promise;
  }

  #cutIdle(): void {
    this.#server.closeIdleConnections();
    // Node counts those that have not sent a byte as busy.
    for (const socket of this.#open) if (socket.bytesRead === 0) socket.destroy();
  }
}
