// The inference route: choose a codec, decode, call, encode, send.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { binaryCodec, wantsBinary } from '../../codec/binary-codec.ts';
import type { DecodedRequest, InferCodec } from '../../codec/codec.ts';
import { jsonCodec } from '../../codec/json-codec.ts';
import { rawCodec } from '../../codec/raw-codec.ts';
import { ServingError } from '../../errors.ts';
import type { CancelSignal, InferenceContext, InferenceTimings } from '../../inference.ts';
import type { DataPlane } from '../../serving/data-plane.ts';
import { sendPacked, unpackBody } from '../compression.ts';
import { describeRoute, INFER_ERRORS } from '../openapi.ts';

interface ModelPath {
  Params: { model: string; version?: string };
  Body: Buffer | undefined;
}

const HEADER_LENGTH = 'inference-header-content-length';
const TIMEOUT = 'x-request-timeout-ms';
const EMPTY = Buffer.alloc(0);

export function inferRoutes(app: FastifyInstance, dataPlane: DataPlane): void {
  const handler = async (request: FastifyRequest<ModelPath>, reply: FastifyReply) => {
    const receivedAt = performance.now();
    const model = dataPlane.model(request.params.model, request.params.version);
    const body = request.body ?? EMPTY;
    const headerLength = readHeaderLength(request, body.length);
    const decoded = codecFor(headerLength).decode(body, headerLength, model);
    const decodedAt = performance.now();

    const context = contextOf(request, reply, decoded, receivedAt, model.facts.requestTimeoutMs);
    const response = await dataPlane.infer(model, decoded, context, body.length);

    const answeredAt = performance.now();
    const encoded = (wantsBinary(decoded) ? binaryCodec : jsonCodec).encode(response, decoded);
    const { timings } = response;
    reply.header('content-type', encoded.contentType);
    if (encoded.headerLength !== undefined) reply.header(HEADER_LENGTH, encoded.headerLength);
    reply.header('server-timing', serverTiming(decodedAt - receivedAt, timings, performance.now() - answeredAt));
    reply.header('ortlet-model-version', response.version);
    reply.header('ortlet-batch-rows', timings.batchRows);
    reply.header('ortlet-dispatch-reason', timings.dispatchReason);
    if (dataPlane.draining) reply.header('connection', 'close');
    request.log.debug({ requestId: request.id, model: model.name, timings }, 'request answered');
    return sendPacked(request, reply, encoded.body);
  };
  const schema = (operationId: string, summary: string) =>
    describeRoute({
      operationId,
      summary,
      tag: 'inference',
      body: 'inferRequest',
      response: 'inferResponse',
      binary: true,
      errors: INFER_ERRORS,
    });
  app.post<ModelPath>(
    '/v2/models/:model/infer',
    { schema: schema('infer', 'Run the newest ready version of a model'), preParsing: unpackBody },
    handler,
  );
  app.post<ModelPath>(
    '/v2/models/:model/versions/:version/infer',
    { schema: schema('inferVersion', 'Run a version of a model'), preParsing: unpackBody },
    handler,
  );
}

function codecFor(headerLength: number | undefined): InferCodec {
  if (headerLength === undefined) return jsonCodec;
  return headerLength === 0 ? rawCodec : binaryCodec;
}

function readHeaderLength({ headers }: FastifyRequest, bodyLength: number): number | undefined {
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

/** W3C Server Timing, durations in milliseconds. */
function serverTiming(decodeMs: number, { queueMs, computeMs }: InferenceTimings, encodeMs: number): string {
  return (
    `decode;dur=${decodeMs.toFixed(3)}, queue;dur=${queueMs.toFixed(3)}, ` +
    `compute;dur=${computeMs.toFixed(3)}, encode;dur=${encodeMs.toFixed(3)}`
  );
}
