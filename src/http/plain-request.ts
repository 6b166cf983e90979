// Inference requests that are plain in every respect, read without an HTTP parser: a request line, each header once and
// printable, a length, and all of the body. Whatever else HTTP allows is left to one (RFC 9112).

import type { IncomingHttpHeaders } from 'node:http';

export interface PlainRequest {
  readonly model: string;
  readonly version: string | undefined;
  /** By lower-case name. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const REQUEST_LINE = /^POST \/v2\/models\/([\w.~-]{1,128})(?:\/versions\/([\w.~-]{1,128}))?\/infer HTTP\/1\.1$/;
/** Values neither begin nor end with a space; names with an underscore are read differently by proxies. */
const HEADER_LINE = /^([A-Za-z][A-Za-z0-9-]{0,63}): ?((?:[!-~](?:[ -~]*[!-~])?)?)$/;
const LENGTH = /^(?:0|[1-9][0-9]{0,6})$/;
/** They change how the message is read, or what is to be done before it is answered. */
const NOT_PLAIN = ['transfer-encoding', 'content-encoding', 'expect', 'upgrade', 'te', 'trailer'];
const MOST_HEADERS = 64;
const LARGEST_HEAD_BYTES = 8 * 1024;
const END = '\r\n\r\n';

type Head = Omit<PlainRequest, 'body'> & { readonly bytes: Buffer; readonly contentLength: number };

/** Reads the requests of one connection, whose heads are mostly the same. */
export class PlainRequestReader {
  #last: Head | undefined;

  /** @returns undefined unless the bytes are a whole plain request, with a body of at most so many, and nothing else */
  read(bytes: Buffer, maxBodyBytes: number): PlainRequest | undefined {
    const last = this.#last;
    const head = last && startsWith(bytes, last.bytes) ? last : readHead(bytes);
    this.#last = head;
    if (!head || bytes.length !== head.bytes.length + head.contentLength) return undefined;
    if (head.contentLength > maxBodyBytes) return undefined;
    const { model, version, headers } = head;
    return { model, version, headers, body: bytes.subarray(head.bytes.length) };
  }
}

function startsWith(bytes: Buffer, start: Buffer): boolean {
  return bytes.length >= start.length && bytes.compare(start, 0, start.length, 0, start.length) === 0;
}

function readHead(bytes: Buffer): Head | undefined {
  const end = bytes.subarray(0, LARGEST_HEAD_BYTES).indexOf(END, 0, 'latin1');
  if (end < 0) return undefined;
  const [requestLine, ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const [, model, version] = REQUEST_LINE.exec(requestLine!) ?? [];
  const headers = readHeaders(lines);
  if (model === undefined || !headers) return undefined;
  // A copy: the memory of what a socket reads is used for more than this.
  return {
    model,
    version,
    headers,
    bytes: Buffer.from(bytes.subarray(0, end + END.length)),
    contentLength: Number(headers['content-length']),
  };
}

function readHeaders(lines: readonly string[]): IncomingHttpHeaders | undefined {
  if (lines.length > MOST_HEADERS) return undefined;
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const [, name, value] = HEADER_LINE.exec(line) ?? [];
    const key = name?.toLowerCase();
    if (key === undefined || key in headers) return undefined;
    headers[key] = value!;
  }
  const { host, connection = 'keep-alive' } = headers;
  if (!host || connection.toLowerCase() !== 'keep-alive' || !LENGTH.test(headers['content-length'] ?? ''))
    return undefined;
  return NOT_PLAIN.some((name) => name in headers) ? undefined : headers;
}
