// One inference over HTTP, whatever its dialect: read the body, decode, call, encode, send.

import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { DecodedRequest, EncodedBody } from '../codec/codec.ts';
import { ServingError } from '../errors.ts';
import type { CancelSignal, InferenceResponse } from '../inference.ts';
import type { Model } from '../model/model.ts';
import type { Logger } from '../observability/logger.ts';
import type { TraceLevel, Tracing } from '../observability/tracing.ts';
import type { DataPlane } from '../serving/data-plane.ts';
import { giveBackTensors } from '../tensor/memory.ts';
import { byteLength, type NamedTensors } from '../tensor/tensor.ts';
import { type BodyLimits, type BodyMemory, type Expectation, readBody } from './body.ts';
import { Cohort, type TurnObserver } from './cohort.ts';
import { type PackedBody, packBody } from './compression.ts';
import { type Answer, send, serverTiming, toMicroseconds } from './inference-answer.ts';
import { limitsOf } from './inference-limits.ts';
import type { PlainAnswer } from './plain-connections.ts';
import type { PlainRequest } from './plain-request.ts';
import { COUNTED_BYTES, type Transfers, whenTaken } from './transfers.ts';

/** How requests are read from bodies and answers written. */
export interface Dialect<Request extends DecodedRequest = DecodedRequest> {
  /**
   * @param model gives the model that the path names
   * @throws ServingError INVALID_REQUEST or INVALID_INPUT
   */
  decode(body: Buffer, headers: IncomingHttpHeaders, model: () => Model): Request | Promise<Request>;
  encode(response: InferenceResponse, request: Request): EncodedBody;
  /** Whether bodies travel as they are, both ways: a Content-Encoding is refused, Accept-Encoding passed over. */
  readonly unpacked?: boolean;
}

/** A model by its name, and by a version or a label of it; without one, its newest ready version. */
export interface ModelReference {
  readonly model: string;
  readonly version?: string | undefined;
}

export const HEADER_LENGTH = 'inference-header-content-length';
/** JSON elements take at most so many times their text as tensors. */
const MOST_EXPANSION = 8;
/** Mostly they are longer as text than as tensors by so many times, or more. */
const JSON_TEXT = 2;

export interface ExchangeParts {
  readonly dataPlane: DataPlane;
  readonly logger: Logger;
  readonly tracing: Tracing;
  readonly transfers: Transfers;
  readonly bodyMemory: BodyMemory;
  readonly turns: TurnObserver | undefined;
}

export class InferenceExchange {
  #dataPlane: DataPlane;
  #logger: Logger;
  #tracing: Tracing;
  #transfers: Transfers;
  #bodyLimits: BodyLimits;
  #maxBodyBytes: number;
  #cohort: Cohort;

  constructor({ dataPlane, logger, tracing, transfers, bodyMemory, turns }: ExchangeParts, maxBodyBytes: number) {
    this.#dataPlane = dataPlane;
    this.#logger = logger;
    this.#tracing = tracing;
    this.#transfers = transfers;
    this.#bodyLimits = { maxBytes: maxBodyBytes, transfers, memory: bodyMemory };
    this.#maxBodyBytes = maxBodyBytes;
    this.#cohort = new Cohort(turns);
  }

  /**
   * Answers a request; to be called in Fastify's `onRequest`, before it would look at the Content-Type and read the body:
   * neither is wanted, and both take time from every request.
   * @throws ServingError for the error handler to answer
   */
  async answer<Request extends DecodedRequest>(
    request: FastifyRequest,
    reply: FastifyReply,
    reference: ModelReference,
    dialect: Dialect<Request>,
  ): Promise<void> {
    const { headers, raw, id } = request;
    if (dialect.unpacked) refuseEncoding(headers['content-encoding']);
    const resolve = () => this.#dataPlane.model(reference.model, reference.version);
    await this.#cohort.gathered();
    const isThere = raw.complete;
    let body: Buffer | undefined = await readBody(raw, this.#bodyLimits, expectationOf(headers, resolve));
    // Those whose bodies come in one turn, later than their heads, go on together too.
    if (!isThere) await this.#cohort.gathered();
    const size = body.length;
    const receivedAt = performance.now();
    let decoded: Request;
    try {
      const decoding = dialect.decode(body, headers, resolve);
      decoded = decoding instanceof Promise ? await decoding : decoding;
    } finally {
      // From here on it is counted by the admission.
      if (size > COUNTED_BYTES) this.#transfers.release(size);
      // Tensors that are no views on it need it no longer, and the wait for the model may be long.
      body = undefined;
    }
    const signal = new ConnectionSignal(reply);
    const received = { id, headers, resolve, decoded, size, receivedAt, decodedAt: performance.now(), signal };
    // Awaited though it is mostly there: so all of a batch are encoded before the first is written.
    const answer = await this.#encode(received, await this.#infer(received), dialect);
    if (this.#dataPlane.draining) answer.headers.push('connection', 'close');
    if (answer.bytes <= COUNTED_BYTES) return send(reply, answer);
    this.#transfers.reserve(answer.bytes);
    send(reply, answer);
    whenTaken(reply.raw, () => this.#taken(answer));
  }

  /** Answers a request that came without node:http. @throws ServingError for the error handler to answer */
  async answerPlain<Request extends DecodedRequest>(
    { model, version, headers, body }: PlainRequest,
    id: string,
    signal: CancelSignal,
    dialect: Dialect<Request>,
  ): Promise<PlainAnswer> {
    const resolve = () => this.#dataPlane.model(model, version);
    await this.#cohort.gathered();
    const receivedAt = performance.now();
    const decoding = dialect.decode(body, headers, resolve);
    const decoded = decoding instanceof Promise ? await decoding : decoding;
    const decodedAt = performance.now();
    const received = { id, headers, resolve, decoded, size: body.length, receivedAt, decodedAt, signal };
    // Not awaited where it is there: the promises between here and the write let the others of the batch be encoded first.
    const answering = this.#encode(received, await this.#infer(received), dialect);
    const answer = answering instanceof Promise ? await answering : answering;
    if (answer.bytes <= COUNTED_BYTES) return answer;
    this.#transfers.reserve(answer.bytes);
    return { ...answer, taken: () => this.#taken(answer) };
  }

  /** From the decoded request to the queue nothing is awaited: a reload cannot retire the model in between. */
  #infer(received: Received<DecodedRequest>): Promise<InferenceResponse> {
    const { headers, resolve, decoded, size, receivedAt, signal } = received;
    if (size > this.#maxBodyBytes / MOST_EXPANSION) checkExpanded(decoded, this.#maxBodyBytes);
    const model = resolve();
    const { deadlineAt, priority } = limitsOf(headers, decoded, receivedAt, model.facts);
    const answering = this.#dataPlane.infer(model, decoded, { signal, deadlineAt, priority }, size);
    return size > COUNTED_BYTES ? givingBack(answering, decoded, signal) : answering;
  }

  #encode<Request extends DecodedRequest>(
    received: Received<Request>,
    response: InferenceResponse,
    dialect: Dialect<Request>,
  ): Answer | Promise<Answer> {
    const answeredAt = performance.now();
    const encoded = dialect.encode(response, received.decoded);
    const accepted = dialect.unpacked ? undefined : (received.headers['accept-encoding'] as string | undefined);
    const packing = packBody(accepted, encoded);
    if (!(packing instanceof Promise)) return this.#complete(received, response, encoded, packing, answeredAt);
    return packing.then((packed) => this.#complete(received, response, encoded, packed, answeredAt));
  }

  /** What is to be sent, and said of it in the log. */
  #complete(
    { id, decoded, receivedAt, decodedAt }: Received<DecodedRequest>,
    response: InferenceResponse,
    { contentType, headerLength }: EncodedBody,
    { body, blobs, headers: packed }: PackedBody,
    answeredAt: number,
  ): Answer {
    const { model, version, timings, outputs } = response;
    const headers = [
      'content-type',
      contentType,
      'x-request-id',
      id,
      'server-timing',
      serverTiming(decodedAt - receivedAt, timings, performance.now() - answeredAt),
      'ortlet-model-version',
      version,
      'ortlet-batch-rows',
      String(timings.batchRows),
      'ortlet-dispatch-reason',
      timings.dispatchReason,
      ...packed,
    ];
    if (headerLength !== undefined) headers.push(HEADER_LENGTH, String(headerLength));
    if (this.#logger.isLevelEnabled('debug')) this.#logger.debug({ requestId: id, model, timings }, 'request answered');
    const traced = this.#tracing.sample(model);
    if (traced.length > 0) {
      this.#logger.info({ requestId: id, ...describeTrace(traced, receivedAt, decoded, response) }, 'trace');
    }
    const bytes = blobs.reduce((sum, blob) => sum + blob.byteLength, body.length);
    return { status: 200, headers, body, blobs, bytes, outputs };
  }

  /** Of a large answer: nothing of it is still to be sent. */
  #taken({ bytes, outputs }: Answer): void {
    this.#transfers.release(bytes);
    giveBackTensors(outputs.values());
  }
}

/** A request that has been decoded. */
interface Received<Request> {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly resolve: () => Model;
  readonly decoded: Request;
  /** Bytes of the body. */
  readonly size: number;
  /** Instants in milliseconds. */
  readonly receivedAt: number;
  readonly decodedAt: number;
  readonly signal: CancelSignal;
}

/** Small bodies, which are most, are spared it. */
function expectationOf(headers: IncomingHttpHeaders, model: () => Model): Expectation | undefined {
  if (!(Number(headers['content-length']) > COUNTED_BYTES)) return undefined;
  const headerLength = headers[HEADER_LENGTH];
  const ofTensors = headerLength === undefined ? 1 / JSON_TEXT : 1;
  return { aligned: Number(headerLength ?? 0), checkRoom: (bytes) => model().checkRoom(bytes * ofTensors) };
}

/** Gives back the memory of large inputs when it is known that no engine reads them, or will. */
async function givingBack(
  answering: Promise<InferenceResponse>,
  { inputs }: DecodedRequest,
  signal: CancelSignal,
): Promise<InferenceResponse> {
  try {
    const response = await answering;
    giveBackTensors(inputs.values());
    return response;
  } catch (error) {
    // Nobody has taken it over. Of others that fail a run may still be going on.
    if (!signal.onabort) giveBackTensors(inputs.values());
    throw error;
  }
}

/** The handler of a route whose requests are answered before it. */
export function unreachable(): never {
  throw new ServingError('INTERNAL', 'Internal error: the request was not answered where it should have been.');
}

/** @throws ServingError BODY_TOO_LARGE: the limit holds for tensors as they are kept, not only for how they were sent */
function checkExpanded({ inputs }: DecodedRequest, maxBytes: number): void {
  let bytes = 0;
  for (const tensor of inputs.values()) bytes += byteLength(tensor);
  if (bytes <= maxBytes) return;
  throw new ServingError(
    'BODY_TOO_LARGE',
    `The tensors take ${bytes} bytes, which exceeds the maximum allowed size of ${maxBytes} bytes (maxBodyBytes).`,
  );
}

function refuseEncoding(encoding: string | undefined): void {
  if (encoding === undefined || encoding === 'identity') return;
  throw new ServingError(
    'INVALID_REQUEST',
    `Content-Encoding '${encoding}' is not taken here: send the body as it is.`,
  );
}

/** Instants in milliseconds since 1970; no elements. */
function describeTrace(
  levels: readonly TraceLevel[],
  receivedAt: number,
  { inputs }: DecodedRequest,
  { model, version, outputs, timings }: InferenceResponse,
) {
  const at = (instant: number) => toMicroseconds(performance.timeOrigin + instant);
  const shapes = (tensors: NamedTensors) =>
    Array.from(tensors, ([name, { datatype, shape }]) => ({ name, datatype, shape }));
  return {
    model,
    version,
    ...(levels.includes('TIMESTAMPS') && { receivedAt: at(receivedAt), answeredAt: at(performance.now()), timings }),
    ...(levels.includes('TENSORS') && { inputs: shapes(inputs), outputs: shapes(outputs) }),
  };
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
