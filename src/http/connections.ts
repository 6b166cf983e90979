// Connections: how many there may be, the end of those whose client does not read its answers, and how a server leaves
// them to others, or ends them, without a client noticing.

import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Server as ListeningServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { PlainConnections } from './plain-connections.ts';

/** After so long a socket is asked whether it has written anything, and ended the second time that it has not. */
const STALLED_FOR_MS = 10_000;
/** As long as a request may take to come. */
const SLOWEST_ANSWER_MS = 120_000;
/** Files that are kept from connections, for engines, models and the rest: so many or three quarters, if that is less. */
const OTHER_FILES = 128;
/** A connection that has sent nothing for so long gives way when there are too many: a health check may be next. */
const SILENT_FOR_MS = 1_000;
/** How long what a client still sends is read after its request was refused. */
const LINGER_MS = 2_000;
const SWEEP_MS = 20;

/**
 * Connections that may be open at once: as the setting says, or fewer where this process may open too few files, for an
 * engine that has to be started needs some.
 * @param openFiles the limit of the process; undefined where there is none or nobody tells
 */
export function mostConnections(wanted: number, openFiles: number | undefined): number {
  if (openFiles === undefined) return wanted;
  return Math.min(wanted, Math.max(Math.floor(openFiles / 4), openFiles - OTHER_FILES));
}

/** The limit on open files of this process, on Linux. */
export function readOpenFilesLimit(read = (path: string) => readFileSync(path, 'utf8')): number | undefined {
  try {
    const [, limit] = /^Max open files\s+(\d+)/m.exec(read('/proc/self/limits')) ?? [];
    return limit === undefined ? undefined : Number(limit);
  } catch {
    return undefined;
  }
}

interface Watched {
  readonly openedAt: number;
  /** What had been written when an answer was first seen waiting, and when that was. */
  unread: { readonly bytesWritten: number; readonly since: number } | undefined;
}

/** Looks after the connections of a server that has not listened yet; `look` is to be called every few seconds. */
export class Connections {
  readonly #server: Server;
  readonly #now: () => number;
  readonly #plain: PlainConnections | undefined;
  #watched = new Map<Socket, Watched>();
  #left: Promise<void> | undefined;

  /** @param plain those of the server's that node:http does not know */
  constructor(server: Server, most: number, now: () => number, plain?: PlainConnections) {
    this.#server = server;
    this.#now = now;
    this.#plain = plain;
    server.maxConnections = most;
    server.on('drop', () => this.#closeIdle(SILENT_FOR_MS));
    // With TLS the first is the connection, silent or not; what is written to it waits in the second.
    for (const event of ['connection', 'secureConnection']) {
      server.on(event, (socket: Socket) => {
        this.#watched.set(socket, { openedAt: now(), unread: undefined });
        socket.once('close', () => this.#watched.delete(socket));
      });
    }
  }

  /**
   * Ends connections whose client takes nothing of an answer for twice 10 seconds, or has not taken it after two minutes. Node
   * sees the progress of a single write where we do not, so the first limit is a timeout of the socket; over TLS it does not
   * see it either, and the second limit holds alone.
   */
  look(): void {
    this.#plain?.look();
    const now = this.#now();
    for (const [socket, watched] of this.#watched) {
      const { unread } = watched;
      if (socket.writableLength === 0) {
        watched.unread = undefined;
        if (socket.timeout === STALLED_FOR_MS) socket.setTimeout(0);
      } else if (unread?.bytesWritten !== socket.bytesWritten) {
        watched.unread = { bytesWritten: socket.bytesWritten, since: now };
        if (socket.timeout !== STALLED_FOR_MS && !(socket instanceof TLSSocket)) socket.setTimeout(STALLED_FOR_MS);
      } else if (now - unread.since >= SLOWEST_ANSWER_MS) socket.destroy();
    }
  }

  /**
   * Accepts no connection any more. Those that are open are served on, and each is told by its next answer to close; one
   * that asks nothing for `patienceMs` is cut off while idle. Resolves when all have gone.
   * @param hurry ends the patience
   */
  async drain(patienceMs: number, hurry?: AbortSignal): Promise<void> {
    this.#left ??= this.#stopAccepting();
    await Promise.race([this.#left, delay(patienceMs, undefined, { signal: hurry, ref: false })]).catch(() => {});
    const sweep = setInterval(() => this.#closeIdle(0), SWEEP_MS);
    // Node's own check ends those whose request does not come to an end of its head.
    this.#server.headersTimeout = Math.min(this.#server.headersTimeout, patienceMs);
    await this.#left.finally(() => clearInterval(sweep));
  }

  /** Ends all of them, whatever they do. */
  close(): void {
    this.#server.closeAllConnections();
    this.#plain?.close();
  }

  async #stopAccepting(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const closing = (_request: unknown, response: ServerResponse) => response.setHeader('connection', 'close');
    this.#server.prependListener('request', closing);
    this.#plain?.closeAfterAnswers();
    // Right after the event loop has accepted all that waited, because the kernel resets what still waits at a listener
    // that closes. An HTTP server's own close() would end idle connections, on which a request may be on its way.
    setImmediate(() => ListeningServer.prototype.close.call(this.#server, () => resolve()));
    await promise;
  }

  /** Closes what does nothing; those that have not sent a byte, which Node counts as busy, after so long. */
  #closeIdle(silentForMs: number): void {
    this.#server.closeIdleConnections();
    this.#plain?.closeIdle();
    const silentSince = this.#now() - silentForMs;
    for (const [socket, { openedAt }] of this.#watched) {
      if (socket.bytesRead === 0 && openedAt <= silentSince) socket.destroy();
    }
  }
}

/**
 * Has the connection of a refused request closed in two steps, once it has been answered: first our side, the other when
 * the client has closed its own or after a moment. Closed at once, with bytes of the client unread, it would be reset, and
 * the client might never see the answer (RFC 9112, 9.6).
 */
export function endAfterAnswer(request: IncomingMessage): void {
  const { socket } = request;
  // Not written where it is assigned: V8 would make it in its old space, and it holds the request.
  const endFirst = () => {
    socket.end();
    request.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
  };
  socket.destroySoon = endFirst;
}

/** Whether a request before was the last one that is looked at. */
export function isEnding(socket: Socket): boolean {
  return Object.hasOwn(socket, 'destroySoon');
}
