// Requests to one server: sent with what is left of the deadline, sent again where the server asks for that.

import type { Deadline } from './deadline.ts';
import { OrtletError } from './error.ts';

export interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

export interface Answer {
  readonly headers: Headers;
  readonly body: ArrayBuffer;
}

/** When to try a server again that was not there. */
const RECONNECT_MS = 500;
/** Node's names of failures before anything was sent; browsers do not tell. */
const NEVER_SENT = ['ECONNREFUSED', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'];

export class Connection {
  #url: string;
  #headers: Readonly<Record<string, string>>;

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.#url = url.replace(/(?<!\/)\/+$/, '');
    this.#headers = headers;
  }

  /**
   * @param retries how often to send again at most
   * @throws OrtletError when the server refuses or does not answer; the deadline's reason at its end
   */
  async send(call: Call, deadline: Deadline, retries: number): Promise<Answer> {
    for (let left = retries; ; left--) {
      try {
        return await this.#attempt(call, deadline);
      } catch (error) {
        deadline.signal.throwIfAborted();
        const delayMs = retryDelay(error as OrtletError, left, deadline.remainingMs);
        if (delayMs === undefined) throw error;
        await deadline.sleep(delayMs);
      }
    }
  }

  async #attempt({ method, path, headers, body: sent }: Call, deadline: Deadline): Promise<Answer> {
    const { signal, remainingMs } = deadline;
    const all = new Headers(headers);
    if (Number.isFinite(remainingMs)) all.set('x-request-timeout-ms', String(Math.max(1, Math.ceil(remainingMs))));
    for (const [name, value] of Object.entries(this.#headers)) all.set(name, value);
    let response: Response;
    let body: ArrayBuffer;
    try {
      response = await fetch(this.#url + path, { method, headers: all, body: sent ?? null, signal });
      body = await response.arrayBuffer();
    } catch (error) {
      throw this.#noAnswer(error as Error);
    }
    if (response.status !== 200) throw refusal(response, body);
    return { headers: response.headers, body };
  }

  #noAnswer(error: Error): OrtletError {
    const { code = '', message = '' } = (error.cause ?? {}) as { code?: string; message?: string };
    return new OrtletError(`no answer from ${this.#url}: ${message || code || error.message}`, {
      cause: error,
      retryAfterMs: NEVER_SENT.includes(code) ? RECONNECT_MS : undefined,
    });
  }
}

/** How long to wait before the next attempt, in milliseconds; undefined: there is none. */
function retryDelay(
  { status, retryAfterMs }: OrtletError,
  retriesLeft: number,
  remainingMs: number,
): number | undefined {
  if (retriesLeft <= 0 || retryAfterMs === undefined || retryAfterMs >= remainingMs) return undefined;
  return status === 503 || status === undefined ? retryAfterMs : undefined;
}

function refusal({ status, statusText, headers }: Response, body: ArrayBuffer): OrtletError {
  const after = headers.get('retry-after') ?? '';
  return new OrtletError(messageIn(body) ?? `HTTP ${status} ${statusText}`.trimEnd(), {
    status,
    retryAfterMs: /^[0-9]{1,6}$/.test(after) ? Number(after) * 1000 : undefined,
  });
}

/** What `{"error": message}` says; undefined for the answers of others, a proxy's page for example. */
function messageIn(body: ArrayBuffer): string | undefined {
  try {
    const { error } = JSON.parse(new TextDecoder().decode(body)) as { error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}
