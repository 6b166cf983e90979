// The answer of one inference, and how it goes out over node:http.

import type { FastifyReply } from 'fastify';
import type { InferenceTimings } from '../inference.ts';
import type { NamedTensors } from '../tensor/tensor.ts';

export interface Answer {
  readonly status: 200;
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: string | Uint8Array;
  /** Large tensors that follow. */
  readonly blobs: readonly Uint8Array[];
  /** Of both. */
  readonly bytes: number;
  readonly outputs: NamedTensors;
}

const SMALL_BODY_BYTES = 16 * 1024;

/**
 * One header block and one write, past Fastify's reply, which would look at each header several times. Node writes a
 * string together with the headers, a buffer after them: small bodies are cheaper as one string of bytes.
 */
export function send(reply: FastifyReply, { status, headers, body, blobs, bytes }: Answer): void {
  const length = typeof body === 'string' ? Buffer.byteLength(body) : bytes;
  headers.push('content-length', String(length));
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(status, headers);
  if (blobs.length > 0) {
    raw.write(body);
    for (const blob of blobs) raw.write(blob);
    raw.end();
  } else if (typeof body === 'string' || body.byteLength > SMALL_BODY_BYTES) raw.end(body);
  else raw.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 'latin1');
}

/** W3C Server Timing, durations in milliseconds. */
export function serverTiming(decodeMs: number, { queueMs, computeMs }: InferenceTimings, encodeMs: number): string {
  const [decode, encode] = [printMs(decodeMs), printMs(encodeMs)];
  return `decode;dur=${decode}, queue;dur=${printMs(queueMs)}, compute;dur=${printMs(computeMs)}, encode;dur=${encode}`;
}

/** '' to '.999', printed once: every answer has four such times. */
const FRACTIONS = Array.from({ length: 1000 }, (_, i) => String(i / 1000).slice(1));

function printMs(ms: number): string {
  const microseconds = Math.round(Math.max(0, ms) * 1000);
  return `${Math.floor(microseconds / 1000)}${FRACTIONS[microseconds % 1000]}`;
}

/** Rounded to whole microseconds. */
export function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
