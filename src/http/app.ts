// The HTTP edge: limits, bodies as bytes, request ids, errors, documents; routes are registered from routes/.

import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { SecureContextOptions, TlsOptions, Server as TlsServer } from 'node:tls';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { DecodingThread } from '../codec/decoding-thread.ts';
import { ServingError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { Tracing } from '../observability/tracing.ts';
import type { Registry } from '../repository/registry.ts';
import type { DataPlane } from '../serving/data-plane.ts';
import { type ApiKey, requireClientCertificates, requireKeys } from './access.ts';
import { AdminListener } from './admin-listener.ts';
import { answerClientError } from './client-error.ts';
import type { TurnObserver } from './cohort.ts';
import { Connections, endAfterAnswer, isEnding, mostConnections, readOpenFilesLimit } from './connections.ts';
import { createErrorHandler, ErrorAnswers } from './error-handler.ts';
import { InferenceExchange } from './inference-exchange.ts';
import { API_INFO, API_SECURITY, API_TAGS, componentSchemas, describeRoute, withOptionalBodies } from './openapi.ts';
import { withModels } from './openapi-models.ts';
import { PlainConnections } from './plain-connections.ts';
import { configurationRoutes } from './routes/configuration.ts';
import { generateRoutes } from './routes/generate.ts';
import { healthRoutes } from './routes/health.ts';
import { answerPlainRequests, inferRoutes, openInference } from './routes/infer.ts';
import { loggingRoutes } from './routes/logging.ts';
import { metadataRoutes } from './routes/metadata.ts';
import { predictRoutes } from './routes/predict.ts';
import { repositoryRoutes } from './routes/repository.ts';
import { sageMakerRoutes } from './routes/sagemaker.ts';
import { servedModelRoutes } from './routes/served-models.ts';
import { sharedMemoryRoutes } from './routes/shared-memory.ts';
import { statisticsRoutes } from './routes/statistics.ts';
import { tracingRoutes } from './routes/tracing.ts';
import { vertexRoutes } from './routes/vertex.ts';
import { Transfers } from './transfers.ts';
import { findRoutes } from './unknown-routes.ts';

export interface AppOptions {
  readonly serverName: string;
  readonly maxBodyBytes: number;
  readonly maxInFlightBytes: number;
  readonly maxConnections: number;
  readonly modelControl: 'none' | 'explicit' | 'poll';
  readonly loadOverrides: 'off' | 'config' | 'files';
  readonly sageMaker: boolean;
  readonly vertex: boolean;
  readonly vertexHealthRoute: string;
  readonly vertexPredictRoute: string;
  readonly apiKeys: readonly ApiKey[];
  readonly defaultModel?: string | undefined;
  readonly adminHost: string;
  readonly adminPort?: number | undefined;
}

export interface AppParts {
  readonly dataPlane: DataPlane;
  readonly registry: Registry;
  readonly metrics: Metrics;
  /** Prometheus' text, of all processes where there are several. */
  readonly renderMetrics: () => Promise<string>;
  readonly logger: Logger;
  /** With these it is HTTPS; with `ca` clients need certificates of those authorities. */
  readonly certificates?: SecureContextOptions | undefined;
  /** Told of the turns in which inference requests come. */
  readonly turns?: TurnObserver | undefined;
}

export interface App {
  readonly app: FastifyInstance;
  /** With `adminPort`. */
  readonly admin: AdminListener | undefined;
  /** Of each listener. */
  readonly connections: readonly Connections[];
  /** For connections to come; those there are go on with what they began with. With `certificates` alone. */
  renewCertificates(certificates: SecureContextOptions): void;
}

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
const LONGEST_NAME = 512;
const SLOWEST_REQUEST_MS = 120_000;
/** A head is a few kilobytes: whoever needs longer for it holds a socket on purpose. */
const SLOWEST_HEAD_MS = 20_000;
/** A connection that sits in its TLS handshake is held on purpose too. */
const SLOWEST_HANDSHAKE_MS = 20_000;
/** How late a limit on time may be kept. */
const SLOWNESS_CHECK_MS = 5_000;
const LARGEST_HEAD_BYTES = 16_384;
const MOST_HEADERS = 100;
/** Of a large body whose turn to be read has not come: one part, not two. */
const READ_AHEAD_BYTES = 32 * 1024;
const LARGEST_CONTROL_BODY_BYTES = 65_536;
/** The pages of /docs run scripts of this server alone, none of them inline, and talk to nobody else. */
const DOCS_POLICY =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FASTIFY_JSON = 'application/json; charset=utf-8';

export async function createApp(parts: AppParts, options: AppOptions): Promise<App> {
  const { dataPlane, registry, metrics, renderMetrics, logger, certificates, turns } = parts;
  const errors = new ErrorAnswers(metrics, logger);
  const onError = createErrorHandler(errors);
  const newRequestId = requestIds();
  const transport = {
    headersTimeout: SLOWEST_HEAD_MS,
    connectionsCheckingInterval: SLOWNESS_CHECK_MS,
    maxHeaderSize: LARGEST_HEAD_BYTES,
    highWaterMark: READ_AHEAD_BYTES,
    // Node's refusal has no message: requireOneHost has.
    requireHostHeader: false,
    ...(certificates && tlsOptions(certificates)),
  };
  const app = fastify({
    frameworkErrors: onError,
    clientErrorHandler: answerClientError as never,
    // Fastify would make a child logger for every request; the lines that are wanted name the request themselves.
    logger: false,
    // Inference reads its bodies itself; the others are parsed on the event loop.
    bodyLimit: Math.min(options.maxBodyBytes, LARGEST_CONTROL_BODY_BYTES),
    requestTimeout: SLOWEST_REQUEST_MS,
    // Fastify's types would have another kind of app for HTTPS; nothing here depends on it.
    ...({ [certificates ? 'https' : 'http']: transport } as { http: object }),
    keepAliveTimeout: 72_000,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    genReqId: newRequestId,
    routerOptions: { maxParamLength: LONGEST_NAME, ignoreTrailingSlash: true },
  });
  app.server.maxHeadersCount = MOST_HEADERS;
  const now = () => performance.now();
  const transfers = new Transfers(options.maxInFlightBytes, now);
  const watch = setInterval(() => {
    for (const one of connections) one.look();
    transfers.endSlowBodies();
  }, SLOWNESS_CHECK_MS).unref();
  app.addHook('onClose', () => clearInterval(watch));
  app.addHook('onRequest', requireOneHost);
  // Routes check their own bodies: clients of the protocol send any Content-Type, or none.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  const noRoute = findRoutes(app);
  const { adminHost, adminPort } = options;
  const admin =
    adminPort === undefined
      ? undefined
      : new AdminListener(app, transport, certificates !== undefined, { host: adminHost, port: adminPort });
  const listeners = admin ? [app.server, admin.server] : [app.server];
  // An expectation that nobody knows may be passed over (RFC 9110, 10.1.1); Node's own refusal has no message.
  for (const listener of listeners) {
    listener.on('checkExpectation', (request, response) => listener.emit('request', request, response));
  }
  if (certificates?.ca) requireClientCertificates(app);
  requireKeys(app, options.apiKeys, now);
  // That there is no such route comes before anything that Fastify finds wrong with the request.
  app.setErrorHandler((error: Error, request, reply) =>
    onError(request.is404 ? noRoute(request, reply) : error, request, reply),
  );
  app.addHook('onSend', (request, reply, payload, done) => {
    reply.header('x-request-id', request.id);
    if (dataPlane.draining) reply.header('connection', 'close');
    // JSON has no charset, and KServe's client reads an error only where the type is exactly this.
    if (reply.getHeader('content-type') === FASTIFY_JSON) reply.header('content-type', 'application/json');
    done(null, payload);
  });
  app.setNotFoundHandler((request, reply) => {
    throw noRoute(request, reply);
  });

  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: API_INFO,
      servers: [{ url: '/' }],
      security: options.apiKeys.length > 0 ? [{ apiKey: [] }] : [],
      tags: API_TAGS,
      components: { schemas: componentSchemas() as never, securitySchemes: API_SECURITY },
    },
    transformObject: (parts) => withOptionalBodies('openapiObject' in parts ? parts.openapiObject : {}) as never,
  });
  const withLoadedModels = (document: object) => withModels(document as never, registry.readyModels());
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: DOCS_POLICY,
    uiConfig: { deepLinking: true },
    transformSpecification: withLoadedModels as never,
  });

  const tracing = new Tracing();
  const controlAllowed = options.modelControl === 'explicit';
  const thread = new DecodingThread();
  const bodyMemory = (bytes: number) => thread.memory(bytes);
  const exchangeParts = { dataPlane, logger, tracing, transfers, bodyMemory, turns };
  const exchange = new InferenceExchange(exchangeParts, options.maxBodyBytes);
  app.addHook('onClose', () => thread.close());
  const plain =
    certificates || options.apiKeys.length > 0
      ? undefined
      : new PlainConnections(app.server, {
          handle: answerPlainRequests(exchange, openInference(thread), errors, newRequestId),
          draining: () => dataPlane.draining,
          maxBodyBytes: options.maxBodyBytes,
          now,
        });
  const most = mostConnections(options.maxConnections, readOpenFilesLimit());
  const connections = listeners.map(
    (listener) => new Connections(listener, most, now, listener === app.server ? plain : undefined),
  );
  inferRoutes(app, exchange, thread);
  predictRoutes(app, exchange, thread);
  generateRoutes(app, exchange, thread);
  servedModelRoutes(app, dataPlane, registry);
  healthRoutes(app, dataPlane);
  metadataRoutes(app, dataPlane, options.serverName);
  configurationRoutes(app, dataPlane);
  statisticsRoutes(app, dataPlane);
  loggingRoutes(app, logger, controlAllowed);
  tracingRoutes(app, tracing, dataPlane, controlAllowed);
  sharedMemoryRoutes(app);
  repositoryRoutes(app, registry, {
    allowed: controlAllowed,
    overrides: options.loadOverrides,
    maxBodyBytes: options.maxBodyBytes,
  });
  app.get(
    '/metrics',
    {
      schema: describeRoute({
        operationId: 'metrics',
        summary: 'Metrics in the Prometheus text format',
        tag: 'observability',
        responseType: 'text/plain',
      }),
      config: { scope: 'metrics' },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await renderMetrics()),
  );
  const platform = { exchange, dataPlane, thread, configured: options.defaultModel };
  if (options.sageMaker) sageMakerRoutes(app, platform);
  if (options.vertex) {
    vertexRoutes(app, platform, { health: options.vertexHealthRoute, predict: options.vertexPredictRoute });
  }
  app.get('/openapi.json', { schema: { hide: true } }, () => withLoadedModels(app.swagger()));
  const renewCertificates = (renewed: SecureContextOptions) => {
    for (const listener of listeners) (listener as unknown as TlsServer).setSecureContext(renewed);
  };
  return { app, admin, connections, renewCertificates };
}

/** Who has no certificate gets as far as the routes, of which those for health are open to everybody. */
function tlsOptions(certificates: SecureContextOptions): TlsOptions {
  const clients = certificates.ca ? { requestCert: true, rejectUnauthorized: false } : {};
  return { ...certificates, ...clients, handshakeTimeout: SLOWEST_HANDSHAKE_MS };
}

/** The client's x-request-id where it is short and printable, else one of our own. */
function requestIds(): (request: Pick<IncomingMessage, 'headers'>) => string {
  const prefix = randomBytes(6).toString('base64url');
  let count = 0;
  return ({ headers }) => {
    const given = headers['x-request-id'];
    return typeof given === 'string' && REQUEST_ID.test(given) ? given : `${prefix}-${(++count).toString(36)}`;
  };
}

/**
 * Two hosts are read one way by a proxy and another way behind it (RFC 9112, 3.2: answered with 400, as none is). What
 * comes behind a request that was refused for how it is written is not looked at.
 */
function requireOneHost({ raw }: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
  if (isEnding(raw.socket)) {
    reply.hijack();
    return;
  }
  const { rawHeaders, httpVersion } = raw;
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  if (hosts === 1 || (hosts === 0 && httpVersion === '1.0')) done();
  else {
    reply.header('connection', 'close');
    endAfterAnswer(raw);
    done(new ServingError('INVALID_REQUEST', `${hosts || 'No'} Host headers: send one.`));
  }
}
