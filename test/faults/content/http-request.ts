// A request as bytes: usually framed as HTTP wants it, now and then packed, in chunks, or damaged.

import { deflateSync, gzipSync } from 'node:zlib';
import type { Draw } from './draw.ts';

export interface RequestParts {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: Uint8Array | undefined;
  /** The route takes no packed bodies. */
  readonly unpacked?: boolean;
}

export interface FuzzCase {
  readonly method: string;
  readonly bytes: Buffer;
  /** Whether the bytes are one request as HTTP frames it: then it must be answered, and its connection may be used again. */
  readonly framed: boolean;
  /** Whether it names a deadline, which a mutation may have made one that has passed: 503 or 504 is what it asks for then. */
  readonly timed: boolean;
  /** The status of the answer where nothing was broken. */
  readonly expected?: number;
  /** For people who look for what has failed. */
  readonly about: string;
}

export function frame(parts: RequestParts): Buffer {
  const { method, path, headers = {}, body } = parts;
  const own = {
    host: 'localhost',
    ...(body && !('transfer-encoding' in headers) && { 'content-length': body.length }),
  };
  const lines = Object.entries({ ...own, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
  return body ? Buffer.concat([head, body]) : head;
}

/** The request, sent in one of the ways in which it means the same. @param expected of its answer, if that is known */
export function caseOf(draw: Draw, parts: RequestParts, expected?: number): FuzzCase {
  const sent = draw.chance(0.15) ? otherwise(draw, parts) : parts;
  const about = `${parts.method} ${parts.path.slice(0, 80)}`;
  const bytes = frame(sent);
  return {
    method: parts.method,
    bytes,
    framed: bytes.length < SMALL_BYTES,
    timed: isTimed(parts),
    about,
    ...(expected && { expected }),
  };
}

/** The answer to what is refused unread may be lost with its connection, if more of it is on its way. */
const SMALL_BYTES = 64 * 1024;

/** The same bytes with some of them damaged, the head included, or with a length that is not theirs. */
export function damagedCase(draw: Draw, parts: RequestParts): FuzzCase {
  const about = `damaged ${parts.method} ${parts.path.slice(0, 80)}`;
  const length = draw.of([0, 1, -1, 5, '007', '1e3', '0x5', 99_999, 9_999_999_999, '', '1, 2', Number.NaN]);
  const bytes = draw.chance(0.3)
    ? frame({ ...parts, headers: { ...parts.headers, 'content-length': length } })
    : draw.damage(frame(parts));
  return { method: parts.method, bytes, framed: false, timed: isTimed(parts), about };
}

function isTimed({ headers = {}, body }: RequestParts): boolean {
  return 'x-request-timeout-ms' in headers || (body !== undefined && Buffer.from(body).includes('timeout'));
}

function otherwise(draw: Draw, parts: RequestParts): RequestParts {
  const { body } = parts;
  const headers = { ...parts.headers, ...odd(draw) };
  // What goes wrong with the length of a packed body is not what is looked for here.
  if (!body || parts.unpacked || draw.chance(0.4) || 'content-encoding' in headers) return { ...parts, headers };
  return draw.of([
    () => ({ ...parts, headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(body) }),
    () => ({ ...parts, headers: { ...headers, 'content-encoding': 'deflate' }, body: deflateSync(body) }),
    () => ({ ...parts, headers: { ...headers, 'transfer-encoding': 'chunked' }, body: chunked(draw, body) }),
  ])();
}

function odd(draw: Draw): Record<string, string> {
  return Object.fromEntries(draw.list(draw.below(3), () => draw.of(HARMLESS_HEADERS)));
}

function chunked(draw: Draw, body: Uint8Array): Buffer {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    const piece = body.subarray(at, at + 1 + draw.below(200));
    pieces.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
    at += piece.length;
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
}

/** None of them changes what the answer to a request is. */
const HARMLESS_HEADERS: readonly (readonly [string, string])[] = [
  ['content-type', 'multipart/form-data; boundary=----a'],
  ['content-type', 'application/json;\tcharset=utf-16'],
  ['content-type', ''],
  ['accept-encoding', 'gzip;q=1.5, *;q=0, deflate;q=a, br'],
  ['accept', 'text/html;q=0.9, \u00ff'],
  ['x-request-id', '\u00e9\t"}'],
  ['x-request-id', 'a'.repeat(4000)],
  ['traceparent', '00-0-0-ff'],
  ['cookie', '__proto__=1; a=b'],
  ['x-forwarded-host', 'a b\u00ff'],
  ['__proto__', 'x'],
  ['constructor', 'x'],
  ['range', 'bytes=0-0'],
  ['if-none-match', '*'],
  ['content-length-', '5'],
  ['upgrade-insecure-requests', '1'],
  ['forwarded', 'for="[::1]:99999"'],
];
