// A second listener, on which alone the routes of the scope `admin` answer: the same app behind another port, so that
// inference can be open to the public while whoever changes the server has to come from elsewhere.

import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { FastifyInstance } from 'fastify';
import { ServingError } from '../errors.ts';
import { answerClientError } from './client-error.ts';
import { errorAnswer } from './openapi.ts';

export interface AdminAddress {
  readonly host: string;
  readonly port: number;
}

export class AdminListener {
  readonly server: Server;
  #address: AdminAddress;
  #secure: boolean;
  #requests = new WeakSet<IncomingMessage>();

  /**
   * Closes the admin routes that are registered from now on to the app's own listener.
   * @param options for node:http, or for node:https when `secure`; the other limits are those of the app's own server
   */
  constructor(app: FastifyInstance, options: ServerOptions, secure: boolean, address: AdminAddress) {
    const { keepAliveTimeout, requestTimeout, maxHeadersCount } = app.server;
    const answer: RequestListener = (request, response) => {
      this.#requests.add(request);
      app.routing(request, response);
    };
    const all = { ...options, keepAliveTimeout, requestTimeout };
    this.server = secure ? createTlsServer(all, answer) : createServer(all, answer);
    this.server.maxHeadersCount = maxHeadersCount;
    this.server.on('clientError', answerClientError);
    this.#address = address;
    this.#secure = secure;
    app.addHook('onRequest', ({ raw, routeOptions }, _reply, done) => {
      if (routeOptions.config.scope !== 'admin' || this.#requests.has(raw)) done();
      else
        done(
          new ServingError('NOT_FOUND', 'Not Found: this route answers on the admin listener of this server alone.'),
        );
    });
    app.addHook('onRoute', ({ config, schema }) => {
      if (config?.scope !== 'admin' || !schema) return;
      Object.assign(schema, { servers: [{ url: this.#url, description: 'The admin listener' }] });
      Object.assign(schema.response as object, { 404: errorAnswer(404) });
    });
  }

  /** Resolves with the address. @throws with the system's `code` when nobody can listen there */
  listen(): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.server.once('error', reject).listen(this.#address, () => resolve(this.#url));
    return promise;
  }

  get #url(): string {
    const { host, port } = this.#address;
    return `http${this.#secure ? 's' : ''}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }
}
