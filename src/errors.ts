// The closed list of what can go wrong while serving, and the one error class that carries it.
//
//   bytes ──decode──▶ request ──check──▶ tensors ──queue──▶ batch ──engine──▶ outputs
//         INVALID_REQUEST      INVALID_INPUT     QUEUE_FULL      INFERENCE_FAILED
//         BODY_TOO_LARGE       MODEL_NOT_FOUND   QUEUE_TIMEOUT   ENGINE_FAILED
//                              MODEL_NOT_READY   CANCELLED       DEADLINE_EXCEEDED
//
// No HTTP here: http/error-handler.ts alone knows status codes.

/** Every error code with what it means and what the caller can do; the README's table is generated from it. */
export const ERROR_CODES = {
  INVALID_REQUEST: 'The body or a header is not a valid inference request. Correct it as the message says.',
  INVALID_INPUT:
    'A tensor does not fit the model: name, datatype, shape or an element. Correct it as the message says.',
  BODY_TOO_LARGE: 'The body is over `maxBodyBytes`. Send less at a time, or ask the operator to raise the setting.',
  UNSUPPORTED_ENCODING: 'The body has a `Content-Encoding` other than gzip, deflate or identity.',
  REQUEST_TIMEOUT: 'The body came too slowly, or stopped coming. Send it again, without pauses.',
  UNAUTHENTICATED: 'The server asks for a key, and there is none that it knows in `Authorization: Bearer <key>`.',
  PERMISSION_DENIED:
    'The key has not the scope that the route needs, or the connection no client certificate that the server trusts. Ask the operator for one.',
  RATE_LIMITED: 'The key has used up its requests per second. Retry after `Retry-After`.',
  NOT_FOUND: 'No such route. See `/docs` for the routes there are.',
  METHOD_NOT_ALLOWED: 'The route exists, with another method. The `Allow` header names it.',
  MODEL_NOT_FOUND: 'No model or version of that name. `GET /v2/models` lists the names.',
  MODEL_NOT_READY:
    'The model is loading, unloading or failed to load; the message says which. Retry after `Retry-After`.',
  MODEL_CONTROL_DISABLED: 'Loading, unloading and changing what is logged need `modelControl: explicit`.',
  MODEL_LOAD_FAILED: 'The model could not be loaded; the message says why. A version that served before serves on.',
  QUEUE_FULL:
    'More requests are waiting than the model may queue, or more bytes are inside than the server may hold. Retry after `Retry-After`.',
  QUEUE_TIMEOUT: 'The deadline passed while the request waited; it was not run. Retry later, or allow more time.',
  DEADLINE_UNREACHABLE:
    'The deadline would pass before the answer is there, going by what waits already. Retry after `Retry-After`, or allow more time.',
  DEADLINE_EXCEEDED: 'The deadline passed, or the run limit was reached, while the model ran. Allow more time.',
  CANCELLED: 'The client closed the connection before the answer was ready.',
  INFERENCE_FAILED: 'The model refused these values when it ran, an index out of range for example. Correct the input.',
  ENGINE_FAILED: 'The engine died twice while it ran this request. Do not retry it unchanged; tell the operator.',
  NOT_SUPPORTED: 'The protocol has it, this server does not.',
  SERVER_STOPPING: 'The server is shutting down. Retry elsewhere or after `Retry-After`.',
  INTERNAL: 'A defect in the server. The log has the details under the request id.',
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An error the caller is told about: `message` is fit to be shown, so it holds no paths, stacks or internals. */
export class ServingError extends Error {
  readonly code: ErrorCode;
  /** When a retry may succeed, in milliseconds from now; undefined where a retry does not help. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ServingError';
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Throws INTERNAL when something that must hold does not: a defect of ours, never of the caller. */
export function invariant(condition: unknown, what: string): asserts condition {
  if (!condition) throw new ServingError('INTERNAL', `Internal error: ${what}. This is a defect of the server.`);
}
