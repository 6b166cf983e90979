// A socket that requests go over as bytes, right or wrong ones, and that reads answers as HTTP/1.1 frames them.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** Its head, the status line included. */
  readonly head: string;
  readonly body: Buffer;
}

/** How long bytes that may be half a request wait for an answer before no more is promised. */
const QUIET_MS = 30;

export class Wire {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #method = '';
  #closed = false;
  #notify: () => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#notify();
    });
    socket.on('error', () => {}); // 'close' follows.
    socket.on('close', () => {
      this.#closed = true;
      this.#notify();
    });
  }

  static async open(port: number): Promise<Wire> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Wire(socket);
  }

  get closed(): boolean {
    return this.#closed || this.#socket.destroyed;
  }

  /** One request. @returns its answer, nothing when the connection was closed instead, or 'hang' */
  async exchange(method: string, request: Uint8Array, limitMs: number): Promise<Answer | undefined | 'hang'> {
    this.#method = method;
    this.#socket.write(request);
    let answer: Answer | undefined;
    const settled = await this.#until(() => {
      answer = this.#take();
      return answer !== undefined || this.closed;
    }, limitMs);
    return settled ? answer : 'hang';
  }

  /** Bytes that need not be whole requests, and nothing after them. @returns all answers until the end, or 'hang' */
  async spill(method: string, bytes: Uint8Array, limitMs: number): Promise<readonly Answer[] | 'hang'> {
    this.#method = method;
    this.#socket.write(bytes);
    await this.#until(() => this.#received.length > 0 || this.closed, QUIET_MS);
    this.#socket.end();
    if (!(await this.#until(() => this.closed, limitMs))) return 'hang';
    const answers: Answer[] = [];
    for (let answer = this.#take(); answer; answer = this.#take()) answers.push(answer);
    return answers;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** @returns whether it came true in time */
  #until(condition: () => boolean, limitMs: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (held: boolean) => {
        clearTimeout(timer);
        this.#notify = () => {};
        resolve(held);
      };
      const timer = setTimeout(() => finish(false), limitMs);
      this.#notify = () => condition() && finish(true);
    });
  }

  /** The first whole answer of what has come, taken from it. */
  #take(): Answer | undefined {
    for (;;) {
      const headEnd = this.#received.indexOf('\r\n\r\n');
      if (headEnd < 0) return undefined;
      const head = this.#received.toString('latin1', 0, headEnd);
      const status = Number(head.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length));
      const start = headEnd + 4;
      const end = this.#endOfBody(head, status, start);
      if (end === undefined) return undefined;
      const body = this.#received.subarray(start, end);
      this.#received = this.#received.subarray(end);
      // 100 Continue is not the answer yet.
      if (status >= 200) return { status, head, body };
    }
  }

  #endOfBody(head: string, status: number, start: number): number | undefined {
    if (status < 200 || status === 204 || status === 304 || this.#method === 'HEAD') return start;
    if (/^transfer-encoding: *chunked/im.test(head)) {
      const end = this.#received.indexOf('\r\n0\r\n\r\n', start - 2);
      return end < 0 ? undefined : end + 7;
    }
    const end = start + Number(/^content-length: *([0-9]+)/im.exec(head)?.[1] ?? 0);
    return end <= this.#received.length ? end : undefined;
  }
}
