// One keep-alive HTTP connection that carries one request at a time: as little work as possible for the generator.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const HEADER_END = '\r\n\r\n';

export class Connection {
  #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #settle: ((statusCode: number) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#push(chunk));
    socket.on('error', () => {}); // 'close' follows.
    socket.on('close', () => this.#finish(0));
  }

  static async open(url: URL): Promise<Connection> {
    const socket = connect(Number(url.port), url.hostname);
    await once(socket, 'connect');
    return new Connection(socket);
  }

  /** @returns the answer's status code; 0 when the connection is lost */
  send(request: Uint8Array): Promise<number> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) return resolve(0);
      this.#settle = resolve;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #push(chunk: Buffer): void {
    const bytes = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    this.#received = bytes;
    const headerEnd = bytes.indexOf(HEADER_END);
    if (headerEnd < 0) return;
    const header = bytes.toString('latin1', 0, headerEnd);
    const length = Number(/^(?:content-length): *([0-9]+)/im.exec(header)?.[1] ?? 0);
    if (bytes.length < headerEnd + HEADER_END.length + length) return;
    this.#received = Buffer.alloc(0);
    this.#finish(Number(header.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)));
  }

  #finish(statusCode: number): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(statusCode);
  }
}
