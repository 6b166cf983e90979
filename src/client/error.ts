// The one error of the client.

/** A call that was refused or got no answer. `message` is the server's own where there is an answer. */
export class OrtletError extends Error {
  /** HTTP status of the answer; undefined without one: an input that does not fit, no connection, no answer in time. */
  readonly status: number | undefined;
  /** When a retry may succeed, in milliseconds from now; undefined where nobody says so. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    options: { status?: number | undefined; retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OrtletError';
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
  }
}
