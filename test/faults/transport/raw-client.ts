// Bytes written to a socket as they are, for requests that no client would send.

import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  /** All that came back, one character a byte. */
  readonly text: string;
  /** Of the first answer; 0 where there was none. */
  readonly status: number;
  /** Whether the server ended the connection, and not the time limit. */
  readonly closed: boolean;
  readonly ms: number;
}

const LIMIT_MS = 30_000;

/** A connection that is open. */
export async function openSocket(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  socket.on('error', () => {}); // 'close' follows.
  await Promise.race([event(socket, 'connect'), event(socket, 'close')]);
  return socket;
}

/** Unlike events.once, an error does not reject it. */
function event(socket: Socket, name: string): Promise<void> {
  return new Promise((resolve) => void socket.once(name, () => resolve()));
}

/**
 * Sends and waits until the server ends the connection.
 * @param until ends it earlier: when all that came satisfies it
 */
export async function sendRaw(
  port: number,
  sent: string | Buffer | Iterable<Buffer>,
  { until, limitMs = LIMIT_MS }: { until?: (text: string) => boolean; limitMs?: number } = {},
): Promise<RawAnswer> {
  const started = performance.now();
  const socket = await openSocket(port);
  let text = '';
  let closed = true;
  const end = (byServer: boolean) => {
    closed = byServer;
    socket.destroy();
  };
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    if (until?.(text)) end(false);
  });
  socket.on('end', () => socket.destroy());
  const timer = setTimeout(() => end(false), limitMs);
  const gone = socket.destroyed ? Promise.resolve() : event(socket, 'close');
  const pieces = typeof sent === 'string' || Buffer.isBuffer(sent) ? [sent] : sent;
  for (const piece of pieces) {
    if (socket.destroyed || text !== '') break;
    if (!socket.write(piece)) await Promise.race([event(socket, 'drain'), gone]);
  }
  await gone;
  clearTimeout(timer);
  return { text, status: statusOf(text), closed, ms: performance.now() - started };
}

export function statusOf(text: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
}

/** A POST whose body is to be read whole, and whose connection ends with its answer. */
export function post(path: string, headers: Readonly<Record<string, string>>, body: Uint8Array): Buffer {
  const lines = Object.entries({ host: 'localhost', connection: 'close', ...headers });
  const head = `POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}`;
  return Buffer.concat([Buffer.from(`${head}content-length: ${body.length}\r\n\r\n`), body]);
}
