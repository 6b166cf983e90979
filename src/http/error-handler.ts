// Errors on their way out: the only table from codes to HTTP status, and the only place that writes an error body.

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, ServingError } from '../errors.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import { isDiscarded } from './body.ts';
import { endAfterAnswer } from './connections.ts';
import { Refusals } from './refusals.ts';
import { retryAfterSeconds } from './retry-after.ts';

export const STATUS_OF: Record<ErrorCode, number> = {
  INVALID_REQUEST: 400,
  INVALID_INPUT: 400,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_ENCODING: 415,
  REQUEST_TIMEOUT: 408,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  RATE_LIMITED: 429,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  MODEL_NOT_FOUND: 404,
  MODEL_NOT_READY: 503,
  MODEL_CONTROL_DISABLED: 403,
  MODEL_LOAD_FAILED: 422,
  QUEUE_FULL: 503,
  QUEUE_TIMEOUT: 503,
  DEADLINE_UNREACHABLE: 503,
  DEADLINE_EXCEEDED: 504,
  CANCELLED: 499,
  INFERENCE_FAILED: 422,
  ENGINE_FAILED: 500,
  NOT_SUPPORTED: 501,
  SERVER_STOPPING: 503,
  INTERNAL: 500,
};

/** Refusals that come by the thousand when there is too much to do: counted, and a line each would only add to it. */
const OF_LOAD: ReadonlySet<ErrorCode> = new Set([
  'QUEUE_FULL',
  'QUEUE_TIMEOUT',
  'DEADLINE_UNREACHABLE',
  'RATE_LIMITED',
]);
/** Characters. */
const LONGEST_MESSAGE = 2000;

/** An error as it is sent. */
export interface ErrorAnswer {
  readonly status: number;
  /** Names and values in turn. */
  readonly headers: readonly string[];
  readonly body: string;
}

/** What a log line says of a request, beside its error. */
interface FailedRequest {
  readonly id: string;
  readonly method: string;
  readonly route: string | undefined;
  /** Of Fastify's own parsing. */
  readonly bodyLimit: number | undefined;
}

/** Answers with `{"error": message}`; logs what the operator needs and the caller must not see. */
export class ErrorAnswers {
  readonly #metrics: Metrics;
  readonly #logger: Logger;
  readonly #refusals = new Refusals();

  constructor(metrics: Metrics, logger: Logger) {
    this.#metrics = metrics;
    this.#logger = logger;
  }

  /** @param write is called at once, or in its turn for a refusal for load */
  answer(error: FastifyError | Error, request: FailedRequest, write: (answer: ErrorAnswer) => void): void {
    const serving = error instanceof ServingError ? error : fromFramework(error as FastifyError, request.bodyLimit);
    const { code, retryAfterMs } = serving;
    const message = shorten(serving.message);
    this.#metrics.errorAnswered(code);
    const status = STATUS_OF[code];
    const line = { requestId: request.id, code };
    if (status === 500) this.#logger.error({ ...line, err: error }, message);
    else if (!OF_LOAD.has(code) || this.#logger.isLevelEnabled('debug')) {
      const { method, route } = request;
      this.#logger.info({ ...line, status, method, route, cause: causeOf(serving) }, message);
    }
    const headers = ['content-type', 'application/json'];
    if (retryAfterMs !== undefined) headers.push('retry-after', String(retryAfterSeconds(retryAfterMs, Math.random())));
    if (code === 'UNSUPPORTED_ENCODING') headers.push('accept-encoding', 'gzip, deflate');
    if (code === 'UNAUTHENTICATED') headers.push('www-authenticate', 'Bearer');
    const body = JSON.stringify({ error: message });
    if (OF_LOAD.has(code)) this.#refusals.add(() => write({ status, headers, body }));
    else write({ status, headers, body });
  }
}

/** Fastify's way of answering with an error. */
export function createErrorHandler(answers: ErrorAnswers) {
  return (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void => {
    const { id, method, routeOptions } = request;
    // What is left of a body is not read, so the connection cannot be used again.
    if (!request.raw.complete && hasBody(request) && !isDiscarded(request.raw)) {
      reply.header('connection', 'close');
      endAfterAnswer(request.raw);
    }
    const failed = { id, method, route: routeOptions.url, bodyLimit: routeOptions.bodyLimit };
    answers.answer(error, failed, ({ status, headers, body }) => {
      for (let i = 0; i < headers.length; i += 2) reply.header(headers[i]!, headers[i + 1]);
      void reply.code(status).send(body);
    });
  };
}

/** The refusal of everything that changes the server from outside, unless the operator allows it. */
export function controlDisabled(what: string): ServingError {
  return new ServingError(
    'MODEL_CONTROL_DISABLED',
    `${what} is not allowed: the server runs without modelControl 'explicit'.`,
  );
}

/** Messages quote names of the caller's, which may be as long as the body. */
function shorten(message: string): string {
  return message.length <= LONGEST_MESSAGE ? message : `${message.slice(0, LONGEST_MESSAGE).toWellFormed()}…`;
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function causeOf({ cause }: ServingError): string | undefined {
  return cause instanceof Error ? cause.message : undefined;
}

function fromFramework(error: FastifyError, bodyLimit: number | undefined): ServingError {
  if (error.statusCode === 413) {
    return new ServingError(
      'BODY_TOO_LARGE',
      `The body exceeds the maximum allowed size of ${bodyLimit} bytes on this route.`,
    );
  }
  if (error.statusCode !== undefined && error.statusCode < 500)
    return new ServingError('INVALID_REQUEST', error.message);
  return new ServingError('INTERNAL', 'Internal error. The log has the details under the request id.', {
    cause: error,
  });
}
