// The inference route: choose a codec, decode, call, encode, send.

import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { binaryCodec, wantsBinary } from '../../codec/binary-codec.ts';
import type { DecodedRequest, InferCodec } from '../../codec/codec.ts';
import { jsonCodec } from '../../codec/json-codec.ts';
import { rawCodec } from '../../codec/raw-codec.ts';
import { ServingError } from '../../errors.ts';
import type { CancelSignal, InferenceContext, InferenceTimings } from '../../inference.ts';
import type { Logger } from '../../observability/logger.ts';
import type { DataPlane } from '../../serving/data-plane.ts';
import { readBody } from '../body.ts';
import { packBody } from '../compression.ts';
import { describeRoute, INFER_ERRORS, INFER_REQUEST_HEADERS, INFER_RESPONSE_HEADERS } from '../openapi.ts';

interface ModelPath {
  Params: { model: string; version?: string };
}

const HEADER_LENGTH = 'inference-header-content-length';
const SMALL_BODY_BYTES = 16 * 1024;
const TIMEOUT = 'x-request-timeout-ms';

/**
 * The work is done in `onRequest`, before Fastify would look at the Content-Type and read the body: neither is wanted
 * here, and both take time from every request.
 */
export function inferRoutes(app: FastifyInstance, dataPlane: DataPlane, logger: Logger, maxBodyBytes: number): void {
  const onRequest = async (request: FastifyRequest<ModelPath>, reply: FastifyReply): Promise<void> => {
    const { params, headers, raw } = request;
    const body = await readBody(raw, maxBodyBytes);
    const receivedAt = performance.now();
    // From here to the queue nothing is awaited: a reload cannot retire the model in between.
    const model = dataPlane.model(params.model, params.version);
    const headerLength = readHeaderLength(headers, body.length);
    const decoded = codecFor(headerLength).decode(body, headerLength, model);
    const decodedAt = performance.now();

    const context = contextOf(request, reply, decoded, receivedAt, model.facts.requestTimeoutMs);
    const response = await dataPlane.infer(model, decoded, context, body.length);

    const answeredAt = performance.now();
    const encoded = (wantsBinary(decoded) ? binaryCodec : jsonCodec).encode(response, decoded);
    const packing = packBody(headers['accept-encoding'] as string | undefined, encoded.body);
    const packed = packing instanceof Promise ? await packing : packing;
    const { timings } = response;
    const answer = [
      'content-type',
      encoded.contentType,
      'x-request-id',
      request.id,
      'server-timing',
      serverTiming(decodedAt - receivedAt, timings, performance.now() - answeredAt),
      'ortlet-model-version',
      response.version,
      'ortlet-batch-rows',
      String(timings.batchRows),
      'ortlet-dispatch-reason',
      timings.dispatchReason,
      ...packed.headers,
    ];
    if (encoded.headerLength !== undefined) answer.push(HEADER_LENGTH, String(encoded.headerLength));
    if (dataPlane.draining) answer.push('connection', 'close');
    if (logger.isLevelEnabled('debug')) {
      logger.debug({ requestId: request.id, model: model.name, timings }, 'request answered');
    }
    send(reply, answer, packed.body);
  };
  const schema = (operationId: string, summary: string) =>
    describeRoute({
      operationId,
      summary,
      tag: 'inference',
      body: 'inferRequest',
      response: 'inferResponse',
      binary: true,
      requestHeaders: INFER_REQUEST_HEADERS,
      responseHeaders: INFER_RESPONSE_HEADERS,
      errors: INFER_ERRORS,
    });
  app.post<ModelPath>(
    '/v2/models/:model/infer',
    { schema: schema('infer', 'Run the newest ready version of a model'), onRequest },
    unreachable,
  );
  app.post<ModelPath>(
    '/v2/models/:model/versions/:version/infer',
    { schema: schema('inferVersion', 'Run a version of a model'), onRequest },
    unreachable,
  );
}

function unreachable(): never {
  throw new ServingError('INTERNAL', 'Internal error: the request was not answered where it should have been.');
}

function codecFor(headerLength: number | undefined): InferCodec {
  if (headerLength === undefined) return jsonCodec;
  return headerLength === 0 ? rawCodec : binaryCodec;
}

function readHeaderLength(headers: IncomingHttpHeaders, bodyLength: number): number | undefined {
  const value = headers[HEADER_LENGTH];
  if (value === undefined) return undefined;
  const length = /^[0-9]{1,10}$/.test(String(value)) ? Number(value) : Number.NaN;
  if (length <= bodyLength) return length;
  throw new ServingError(
    'INVALID_REQUEST',
    `Inference-Header-Content-Length must be the length of the JSON, from 0 to the body's ${bodyLength} bytes, got '${value}'`,
  );
}

/** The earliest of the model's limit, the `x-request-timeout-ms` header and the protocol's `timeout` parameter. */
function contextOf(
  request: FastifyRequest,
  reply: FastifyReply,
  { timeoutUs }: DecodedRequest,
  receivedAt: number,
  requestTimeoutMs: number,
): InferenceContext {
  let timeoutMs = requestTimeoutMs;
  const header = request.headers[TIMEOUT];
  if (header !== undefined) {
    const ms = /^[0-9]{1,9}$/.test(String(header)) ? Number(header) : 0;
    if (ms === 0) {
      throw new ServingError(
        'INVALID_REQUEST',
        `${TIMEOUT} must be a whole number of milliseconds from 1, got '${header}'`,
      );
    }
    timeoutMs = Math.min(timeoutMs, ms);
  }
  if (timeoutUs !== undefined) timeoutMs = Math.min(timeoutMs, timeoutUs / 1000);
  return { signal: new ConnectionSignal(reply), deadlineAt: receivedAt + timeoutMs };
}

/** Aborted when the client's connection closes before the answer is out. */
class ConnectionSignal implements CancelSignal {
  aborted = false;
  onabort: (() => void) | null = null;

  constructor({ raw }: FastifyReply) {
    raw.once('close', () => {
      if (raw.writableFinished) return;
      this.aborted = true;
      this.onabort?.();
    });
  }
}

/**
 * One header block and one write, past Fastify's reply, which would look at each header several times. Node writes a
 * string together with the headers, a buffer after them: small bodies are cheaper as one string of bytes.
 */
function send(reply: FastifyReply, headers: string[], body: string | Uint8Array): void {
  headers.push('content-length', String(typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength));
  reply.hijack();
  reply.raw.writeHead(200, headers);
  if (typeof body === 'string' || body.byteLength > SMALL_BODY_BYTES) reply.raw.end(body);
  else reply.raw.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 'latin1');
}

/** W3C Server Timing, durations in milliseconds. */
function serverTiming(decodeMs: number, { queueMs, computeMs }: InferenceTimings, encodeMs: number): string {
  const [decode, queue, compute, encode] = [decodeMs, queueMs, computeMs, encodeMs].map(toMicroseconds);
  return `decode;dur=${decode}, queue;dur=${queue}, compute;dur=${compute}, encode;dur=${encode}`;
}

function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
