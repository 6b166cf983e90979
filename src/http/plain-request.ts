// Inference requests that are plain in every respect, read without an HTTP parser: a request line, each header once and
// printable, a length, and all of the body. Whatever else HTTP allows is left to one (RFC 9112).

import type { IncomingHttpHeaders } from 'node:http';
import { isAt } from '../codec/lifted-json.ts';

export interface PlainRequest {
  readonly model: string;
  readonly version: string | undefined;
  /** By lower-case name, without the body's length. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const REQUEST_LINE = /^POST \/v2\/models\/([\w.~-]{1,128})(?:\/versions\/([\w.~-]{1,128}))?\/infer HTTP\/1\.1$/;
/** Values neither begin nor end with a space; names with an underscore are read differently by proxies. */
const HEADER_LINE = /^([A-Za-z][A-Za-z0-9-]{0,63}): ?((?:[!-~](?:[ -~]*[!-~])?)?)$/;
const LENGTH_HEADER = /\r\ncontent-length: ?/i;
const MOST_DIGITS = 7;
const ZERO = 0x30;
/** They change how the message is read, or what is to be done before it is answered. */
const NOT_PLAIN = ['transfer-encoding', 'content-encoding', 'expect', 'upgrade', 'te', 'trailer'];
const MOST_HEADERS = 64;
const LARGEST_HEAD_BYTES = 8 * 1024;
const END = '\r\n\r\n';

/** A head, and the bytes that it has on both sides of the length: of the heads of one client all else is mostly the same. */
type Head = Omit<PlainRequest, 'body'> & { readonly before: Buffer; readonly after: Buffer };

/** Reads the requests of one connection. */
export class PlainRequestReader {
  #last: Head | undefined;

  /** @returns undefined unless the bytes are a whole plain request, with a body of at most so many, and nothing else */
  read(bytes: Buffer, maxBodyBytes: number): PlainRequest | undefined {
    let start = this.#last && startOfBody(bytes, this.#last);
    if (start === undefined) {
      this.#last = readHead(bytes);
      start = this.#last && startOfBody(bytes, this.#last);
    }
    if (start === undefined || bytes.length - start > maxBodyBytes) return undefined;
    const { model, version, headers } = this.#last!;
    return { model, version, headers, body: bytes.subarray(start) };
  }
}

/** Where the body begins, if the bytes have this head, a length without a sign or leading zeros, and a body of that length. */
function startOfBody(bytes: Buffer, { before, after }: Head): number | undefined {
  if (!isAt(bytes, 0, before)) return undefined;
  let at = before.length;
  let length = 0;
  for (; at < before.length + MOST_DIGITS && isDigit(bytes[at]!); at++) length = length * 10 + bytes[at]! - ZERO;
  const leadingZero = bytes[before.length] === ZERO && at > before.length + 1;
  if (at === before.length || leadingZero || !isAt(bytes, at, after)) return undefined;
  const start = at + after.length;
  return bytes.length === start + length ? start : undefined;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= ZERO + 9;
}

function readHead(bytes: Buffer): Head | undefined {
  const end = bytes.subarray(0, LARGEST_HEAD_BYTES).indexOf(END, 0, 'latin1');
  if (end < 0) return undefined;
  const text = bytes.toString('latin1', 0, end);
  const [requestLine, ...lines] = text.split('\r\n');
  const [, model, version] = REQUEST_LINE.exec(requestLine!) ?? [];
  const headers = readHeaders(lines);
  if (model === undefined || !headers) return undefined;
  const lengthHeader = LENGTH_HEADER.exec(text)!;
  const lengthAt = lengthHeader.index + lengthHeader[0].length;
  // Copies: the memory of what a socket reads is used for more than this.
  const part = (from: number, to: number) => Buffer.from(bytes.subarray(from, to));
  const after = part(bytes.indexOf('\r\n', lengthAt, 'latin1'), end + END.length);
  return { model, version, headers, before: part(0, lengthAt), after };
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
  const { host, connection = 'keep-alive', 'content-length': length } = headers;
  if (!host || connection.toLowerCase() !== 'keep-alive' || length === undefined) return undefined;
  delete headers['content-length'];
  return NOT_PLAIN.some((name) => name in headers) ? undefined : headers;
}
