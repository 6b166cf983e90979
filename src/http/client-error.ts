// What Node finds wrong with a request before there is one for the routes: bytes that are no HTTP, a head that is too long
// or comes too slowly. Answered like every other error, and the connection ends.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** `reason` is what Node's parser says. */
export interface ClientError extends Error {
  readonly code?: string;
  readonly reason?: string;
}

const ANSWERS: Readonly<Record<string, readonly [statusLine: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'The head of the request is too long: send fewer or shorter headers.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    '408 Request Timeout',
    'The request took too long to come. Send it again, without pauses.',
  ],
};

/** For Node's `clientError`. */
export function answerClientError(error: ClientError, socket: Socket): void {
  // Behind the beginning of an answer, another one would be taken for its body.
  const { _httpMessage: answer } = socket as { _httpMessage?: ServerResponse };
  if (socket.writable && !answer?.headersSent) {
    const what = `The request is not valid HTTP/1.1${error.reason ? `: ${error.reason}` : ''}.`;
    const [statusLine, message] = ANSWERS[error.code ?? ''] ?? ['400 Bad Request', what];
    const body = JSON.stringify({ error: message });
    const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
    socket.write(`HTTP/1.1 ${statusLine}\r\n${head}\r\n\r\n${body}`);
  }
  socket.destroy(error);
}
