// Connections whose requests are answered without node:http while they are plain: for a small request it takes a quarter
// of the server's time, and more of a lonely one's. The first that is not plain hands its connection over, for good.
//
//   connection ──▶ plain? ──▶ answered here ──▶ plain? ──▶ …
//                    └ no ──────────────────────▶ node:http, as if the connection were new

import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { CancelSignal } from '../inference.ts';
import { giveBack } from '../tensor/memory.ts';
import { type PlainRequest, PlainRequestReader } from './plain-request.ts';

export interface PlainAnswer {
  readonly status: number;
  /** Names and values in turn, printable; those of the body's length, the date and the connection are added. */
  readonly headers: readonly string[];
  readonly body: string | Uint8Array;
  /** What follows `body`. */
  readonly blobs?: readonly Uint8Array[];
  /** Called when the system has taken the answer, or never will. */
  readonly taken?: () => void;
}

/** @param signal aborted when the client's connection closes before the answer is out */
export type PlainHandler = (request: PlainRequest, signal: CancelSignal) => Promise<PlainAnswer>;

export interface PlainOptions {
  readonly handle: PlainHandler;
  /** Whether answers are to end their connections. */
  readonly draining: () => boolean;
  /** Longer bodies are node:http's to refuse. */
  readonly maxBodyBytes: number;
  /** Monotonic clock in milliseconds. */
  readonly now: () => number;
}

const OK = 'HTTP/1.1 200 OK';
const CONTENT_LENGTH = '\r\ncontent-length: ';
const CLOSE = 'Connection: close\r\n\r\n';
/** A small answer is one string of bytes, and one write. */
const SMALL_BODY_BYTES = 16 * 1024;

export class PlainConnections {
  readonly #server: Server;
  readonly #open = new Map<Socket, PlainConnection>();
  readonly #now: () => number;
  #closing = false;

  /** @param server without TLS, that has not listened yet */
  constructor(server: Server, { handle, draining, maxBodyBytes, now }: PlainOptions) {
    this.#server = server;
    this.#now = now;
    const seconds = Math.floor(server.keepAliveTimeout / 1000);
    const keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n\r\n`;
    const date = new DateLine();
    const closing = () => this.#closing || draining();
    const [toHttp] = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
    server.removeListener('connection', toHttp!);
    server.on('connection', (socket: Socket) => {
      const leave = () => {
        this.#open.delete(socket);
        toHttp!.call(server, socket);
      };
      this.#open.set(
        socket,
        new PlainConnection(socket, { handle, leave, keepAlive, date, closing, maxBodyBytes, now }),
      );
      socket.once('close', () => this.#open.delete(socket));
    });
  }

  /** To be called every few seconds: ends those that ask nothing, or nothing more, for longer than the server allows. */
  look(): void {
    const { headersTimeout, keepAliveTimeout } = this.#server;
    const now = this.#now();
    for (const [socket, { idleSince = now, answered }] of this.#open) {
      if (answered > 0 ? now - idleSince < keepAliveTimeout : now - idleSince < headersTimeout) continue;
      // As node:http does: whoever never asked is told why.
      if (answered > 0 || !this.#server.emit('clientError', new RequestTimeout(), socket)) socket.destroy();
    }
  }

  /** Ends those that wait for no answer. */
  closeIdle(): void {
    for (const [socket, { idleSince, answered }] of this.#open) {
      if (idleSince !== undefined && answered > 0) socket.destroy();
    }
  }

  /** Ends all of them, whatever they do. */
  close(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  /** Every answer from now on is the last one of its connection. */
  closeAfterAnswers(): void {
    this.#closing = true;
  }
}

interface ConnectionParts extends Omit<PlainOptions, 'draining'> {
  readonly leave: () => void;
  readonly keepAlive: string;
  readonly date: DateLine;
  readonly closing: () => boolean;
}

class PlainConnection {
  readonly #socket: Socket;
  readonly #parts: ConnectionParts;
  readonly #reader = new PlainRequestReader();
  readonly #listeners: readonly (readonly [string, (chunk: Buffer) => void])[];
  #signal: Signal | undefined;
  /** What came before the last answer was out. */
  #early: Buffer | undefined;
  /** Undefined while a request is answered; instant in milliseconds. */
  idleSince: number | undefined;
  answered = 0;

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.idleSince = parts.now();
    this.#listeners = [
      ['data', (chunk: Buffer) => this.#read(chunk)],
      ['end', () => this.#end()],
      ['close', () => this.#abort()],
      ['timeout', () => socket.destroy()],
      ['error', () => {}],
    ];
    for (const [event, listener] of this.#listeners) socket.on(event, listener);
  }

  /** Leaves the connection to node:http. @param bytes read already */
  #handOver(bytes: Buffer): void {
    const socket = this.#socket;
    for (const [event, listener] of this.#listeners) socket.removeListener(event, listener);
    // To the stream a read is going on from now on, as in a connection that node:http has had from the start: without one it
    // would begin to read by itself, and go on when node:http pauses it.
    socket.read(0);
    this.#parts.leave();
    if (socket.isPaused()) {
      socket.unshift(bytes);
      socket.resume();
      return;
    }
    socket.emit('data', bytes);
    // The parser has copied them: together, the first parts of large bodies would take much memory until they are collected.
    giveBack(bytes);
  }

  #read(chunk: Buffer): void {
    if (this.#signal) {
      this.#early = this.#early ? Buffer.concat([this.#early, chunk]) : chunk;
      this.#socket.pause();
      return;
    }
    // Who does not take answers gets no more of them here.
    const request = this.#socket.writableLength === 0 ? this.#reader.read(chunk, this.#parts.maxBodyBytes) : undefined;
    if (!request) {
      this.#handOver(chunk);
      return;
    }
    this.idleSince = undefined;
    const signal = new Signal();
    this.#signal = signal;
    void this.#parts.handle(request, signal).then((answer) => {
      if (signal.aborted) answer.taken?.();
      else this.#write(answer);
    });
  }

  #write({ status, headers, body, blobs = [], taken }: PlainAnswer): void {
    const socket = this.#socket;
    let head = status === 200 ? OK : `HTTP/1.1 ${status} ${STATUS_CODES[status]}`;
    for (let i = 0; i < headers.length; i += 2) head += lineOf(headers[i]!) + headers[i + 1]!;
    const own = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
    const length = blobs.reduce((sum, { byteLength }) => sum + byteLength, own);
    const isLast = this.#parts.closing();
    const now = this.#parts.now();
    head += CONTENT_LENGTH + length + this.#parts.date.at(now) + (isLast ? CLOSE : this.#parts.keepAlive);
    if (typeof body !== 'string' && length <= SMALL_BODY_BYTES) {
      socket.write(head + Buffer.from(body.buffer, body.byteOffset, length).toString('latin1'), 'latin1', taken);
    } else if (typeof body === 'string' && length === body.length && length <= SMALL_BODY_BYTES) {
      socket.write(head + body, 'latin1', taken);
    } else {
      socket.cork();
      socket.write(head, 'latin1');
      const parts = [body, ...blobs];
      const last = parts.pop()!;
      for (const part of parts) socket.write(part);
      socket.write(last, taken);
      socket.uncork();
    }
    this.#signal = undefined;
    this.answered++;
    this.idleSince = now;
    if (isLast) socket.destroySoon();
    else if (this.#early) this.#handOver(this.#early);
  }

  /** The client has sent its last byte: as node:http does, it is taken to be gone. */
  #end(): void {
    this.#abort();
    this.#socket.end();
  }

  #abort(): void {
    const signal = this.#signal;
    if (!signal || signal.aborted) return;
    signal.aborted = true;
    signal.onabort?.();
  }
}

class RequestTimeout extends Error {
  readonly code = 'ERR_HTTP_REQUEST_TIMEOUT';
}

class Signal implements CancelSignal {
  aborted = false;
  onabort: (() => void) | null = null;
}

/** One for each name of a header that answers have. */
const lines = new Map<string, string>();

/** The end of the line before, and a header up to its value. */
function lineOf(name: string): string {
  let line = lines.get(name);
  if (line === undefined) {
    line = `\r\n${name}: `;
    lines.set(name, line);
  }
  return line;
}

/** The header of RFC 9110, section 6.6.1, printed once a second. */
class DateLine {
  #text = '';
  #until = Number.NEGATIVE_INFINITY;

  /** @param now monotonic, in milliseconds */
  at(now: number): string {
    if (now >= this.#until) {
      const time = Date.now();
      this.#text = `\r\nDate: ${new Date(time).toUTCString()}\r\n`;
      this.#until = now + 1000 - (time % 1000);
    }
    return this.#text;
  }
}
