// Connections: how many there may be, and the end of those whose client does not read its answers.

import { readFileSync } from 'node:fs';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** No byte of an answer is taken for so long. */
const STALLED_FOR_MS = 20_000;
/** As long as a request may take to come. */
const SLOWEST_ANSWER_MS = 120_000;
/** Files that are kept from connections, for engines, models and the rest: so many or three quarters, if that is less. */
const OTHER_FILES = 128;
/** A connection that has sent nothing for so long gives way when there are too many. */
const SILENT_FOR_MS = 1_000;
/** How long what a client still sends is read after its request was refused. */
const LINGER_MS = 2_000;

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

/** Looks after the connections of a server; `look` is to be called every few seconds. */
export class Connections {
  #server: Server;
  #now: () => number;
  #watched = new Map<Socket, Watched>();

  constructor(server: Server, most: number, now: () => number) {
    this.#server = server;
    this.#now = now;
    server.maxConnections = most;
    server.on('drop', () => this.#makeRoom());
    // With TLS the first is the connection, silent or not; what is written to it waits in the second.
    for (const event of ['connection', 'secureConnection']) {
      server.on(event, (socket: Socket) => {
        this.#watched.set(socket, { openedAt: now(), unread: undefined });
        socket.once('close', () => this.#watched.delete(socket));
      });
    }
  }

  /**
   * Ends connections whose client takes nothing of an answer for 20 seconds, or has not taken it after two minutes. Node
   * sees the progress of a single write where we do not, so the first limit is a timeout of the socket; over TLS it does not
   * see it either, and the second limit holds alone.
   */
  look(): void {
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

  /** Closes what does nothing: who comes next is let in, a health check too. */
  #makeRoom(): void {
    this.#server.closeIdleConnections();
    const silentSince = this.#now() - SILENT_FOR_MS;
    for (const [socket, { openedAt }] of this.#watched) {
      if (socket.bytesRead === 0 && openedAt <= silentSince) socket.destroy();
    }
  }
}

/**
 * Has the connection of a request whose body will not be read closed in two steps, once it has been answered: first our
 * side, the other when the client has closed its own or after a moment. Closed at once, with bytes of the client unread, it
 * would be reset, and the client might never see the answer (RFC 9112, 9.6).
 */
export function linger(request: IncomingMessage): void {
  const { socket } = request;
  socket.destroySoon = () => {
    socket.end();
    request.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
  };
}
