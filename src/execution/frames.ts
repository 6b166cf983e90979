// The wire between the server and its engines: length-prefixed little-endian frames, tensors as raw bytes.
//
//   0        4     5       6         8         12    16          24    32           36          40            44
//   ┌────────┬─────┬───────┬─────────┬─────────┬─────┬───────────┬─────┬────────────┬───────────┬─────────────┬───────┬──────┬─────┬──────┐
//   │ length │kind │ offer │ tensors │ session │ id  │ elapsedMs │ at  │ tableBytes │ textBytes │ sharedBytes │ table │ text │ pad │ data │
//   │ u32    │ u8  │ u8    │ u16     │ u32     │ u32 │ f64       │ f64 │ u32        │ u32       │ u32         │       │      │ →8  │      │
//   └────────┴─────┴───────┴─────────┴─────────┴─────┴───────────┴─────┴────────────┴───────────┴─────────────┴───────┴──────┴─────┴──────┘
//
// A table entry is index u16, datatype u8, rank u8, byteLength u32, then one u32 a dimension. Each tensor's data starts
// on a multiple of 8, so that the receiver's typed arrays are views on the frame. Where `sharedBytes` is not 0, all data is in
// the memory that both sides share, and the frame ends before it.

import { invariant } from '../errors.ts';
import { decodeStrings, encodeStrings } from '../tensor/bytes.ts';
import { DATATYPE_NAMES, type Datatype, type NumericArray, traitsOf } from '../tensor/datatype.ts';
import { rawBytes, type Tensor, viewBytes } from '../tensor/tensor.ts';
import type { SharedMemory } from './shared-memory.ts';

export const FRAME_KINDS = { load: 1, loaded: 2, run: 3, result: 4, failed: 5, expired: 6 } as const;
export type FrameKind = keyof typeof FRAME_KINDS;

export interface Frame {
  readonly kind: FrameKind;
  /** Which of the child's sessions is meant. */
  readonly session: number;
  /** Pairs an answer with its request. */
  readonly id: number;
  /** Of a run: the time in the runtime. */
  readonly elapsedMs: number;
  /** On the machine's monotonic clock (`process.hrtime`), in milliseconds. `run`: begin no later; `result`: when it began. */
  readonly at: number;
  /** JSON for control frames, wanted outputs for `run`, the message for `failed`. */
  readonly text: string;
  /** Of what is asked: nothing else is on its way, so the answer's data may be put into the shared memory. */
  readonly offersMemory: boolean;
  /** By position in the signature. */
  readonly tensors: readonly (readonly [index: number, tensor: Tensor])[];
}

const HEADER_BYTES = 44;
const COPY_BELOW_BYTES = 64 * 1024;
const STAGING_BYTES = 64 * 1024;
const KIND_NAMES = Object.fromEntries(Object.entries(FRAME_KINDS).map(([name, code]) => [code, name as FrameKind]));
const padded = (length: number) => (length + 7) & ~7;

/** The machine's monotonic clock in milliseconds, the same in every process. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/**
 * A frame as chunks for one vectored write; small frames are copied into a single chunk.
 * @param memory where the data of large tensors may be put, because the other side has read what was there
 */
export function encodeFrame(frame: Frame, memory?: SharedMemory): Uint8Array[] {
  const blocks = frame.tensors.map(([, { data }]) =>
    Array.isArray(data) ? encodeStrings(data as readonly string[]) : rawBytes(data as NumericArray),
  );
  let tableBytes = 0;
  for (const [, tensor] of frame.tensors) tableBytes += 8 + 4 * tensor.shape.length;
  const textBytes = frame.text === '' ? 0 : Buffer.byteLength(frame.text);
  const headBytes = padded(HEADER_BYTES + tableBytes + textBytes);
  let dataBytes = 0;
  for (const block of blocks) dataBytes += padded(block.byteLength);
  const shared = memory?.suits(dataBytes) === true && memory.write(blocks.flatMap(withPadding), dataBytes);
  const length = shared ? headBytes : headBytes + dataBytes;
  invariant(length < 2 ** 32, 'a batch of over 4 GiB');

  const copied = length <= COPY_BELOW_BYTES;
  const head = Buffer.allocUnsafe(copied ? length : headBytes);
  head.writeUInt32LE(length, 0);
  head[4] = FRAME_KINDS[frame.kind];
  head[5] = Number(frame.offersMemory);
  head.writeUInt16LE(frame.tensors.length, 6);
  head.writeUInt32LE(frame.session, 8);
  head.writeUInt32LE(frame.id, 12);
  head.writeDoubleLE(frame.elapsedMs, 16);
  head.writeDoubleLE(frame.at, 24);
  head.writeUInt32LE(tableBytes, 32);
  head.writeUInt32LE(textBytes, 36);
  head.writeUInt32LE(shared ? dataBytes : 0, 40);
  let offset = HEADER_BYTES;
  frame.tensors.forEach(([index, { datatype, shape }], i) => {
    head.writeUInt16LE(index, offset);
    head[offset + 2] = DATATYPE_NAMES.indexOf(datatype);
    head[offset + 3] = shape.length;
    offset = head.writeUInt32LE(blocks[i]!.byteLength, offset + 4);
    for (const dimension of shape) offset = head.writeUInt32LE(dimension, offset);
  });
  if (textBytes > 0) head.write(frame.text, offset);
  if (shared) return [head];
  if (!copied) return [head, ...blocks.flatMap(withPadding)];
  offset = headBytes;
  for (const block of blocks) {
    head.set(block, offset);
    offset += padded(block.byteLength);
  }
  return [head];
}

function withPadding(block: Uint8Array): Uint8Array[] {
  const gap = padded(block.byteLength) - block.byteLength;
  return gap === 0 ? [block] : [block, new Uint8Array(gap)];
}

/**
 * Cuts a byte stream into frames. Each frame gets a buffer of its own, which its tensors are views on; what is missing
 * of a large frame is received straight into it.
 *
 *   const count = read(fd, reader.space());  reader.received(count);      or      reader.push(chunk);
 */
export class FrameReader {
  #onFrame: (frame: Frame) => void;
  #memory: SharedMemory | undefined;
  #staging = Buffer.allocUnsafeSlow(STAGING_BYTES);
  /** Bytes in the staging buffer that belong to no frame yet: fewer than four. */
  #staged = 0;
  #body: Uint8Array<ArrayBuffer> | undefined;
  #filled = 0;

  /** @param memory shared with the other side */
  constructor(onFrame: (frame: Frame) => void, memory?: SharedMemory) {
    this.#onFrame = onFrame;
    this.#memory = memory;
  }

  /** Where the next bytes should go. */
  space(): Uint8Array {
    return this.#body ? this.#body.subarray(this.#filled) : this.#staging.subarray(this.#staged);
  }

  /** @param count how many bytes were put into `space()` */
  received(count: number): void {
    if (this.#body) {
      this.#filled += count;
      if (this.#filled === this.#body.length) this.#finish(this.#body);
      return;
    }
    this.push(this.#staging.subarray(0, this.#staged + count));
  }

  push(chunk: Uint8Array): void {
    let offset = 0;
    if (chunk.buffer === this.#staging.buffer) this.#staged = 0;
    while (offset < chunk.length) {
      if (!this.#body) {
        const rest = chunk.length - offset + this.#staged;
        if (rest < 4) {
          this.#staging.set(chunk.subarray(offset), this.#staged);
          this.#staged = rest;
          return;
        }
        offset = this.#begin(chunk, offset);
      }
      const body = this.#body!;
      const piece = chunk.subarray(offset, offset + body.length - this.#filled);
      body.set(piece, this.#filled);
      this.#filled += piece.length;
      offset += piece.length;
      if (this.#filled === body.length) this.#finish(body);
    }
  }

  /** Reads the length, part of which may be staged, and makes the frame's buffer. @returns where the rest begins */
  #begin(chunk: Uint8Array, offset: number): number {
    const next = offset + 4 - this.#staged;
    let length = 0;
    for (let i = 0; i < 4; i++) {
      const byte = i < this.#staged ? this.#staging[i]! : chunk[next - 4 + i]!;
      length += byte * 2 ** (8 * i);
    }
    invariant(length >= HEADER_BYTES, 'a frame shorter than its header');
    // Not from the pool: the frame's tensors live on in this buffer. The length in front is not looked at again.
    this.#body = new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    this.#filled = 4;
    this.#staged = 0;
    return next;
  }

  #finish(body: Uint8Array<ArrayBuffer>): void {
    this.#body = undefined;
    this.#onFrame(decodeFrame(body, this.#memory));
  }
}

function decodeFrame(body: Uint8Array<ArrayBuffer>, memory: SharedMemory | undefined): Frame {
  const view = new DataView(body.buffer);
  const tableBytes = view.getUint32(32, true);
  const textBytes = view.getUint32(36, true);
  const sharedBytes = view.getUint32(40, true);
  const textStart = HEADER_BYTES + tableBytes;
  const source = sharedBytes > 0 ? memory?.read(sharedBytes) : body;
  invariant(source, 'a frame whose data is in a memory that nobody shares');
  const tensors: [number, Tensor][] = [];
  let entry = HEADER_BYTES;
  let data = sharedBytes > 0 ? 0 : padded(textStart + textBytes);
  for (let i = view.getUint16(6, true); i > 0; i--) {
    const datatype = DATATYPE_NAMES[view.getUint8(entry + 2)] as Datatype;
    const rank = view.getUint8(entry + 3);
    const byteLength = view.getUint32(entry + 4, true);
    const shape = new Array<number>(rank);
    for (let axis = 0; axis < rank; axis++) shape[axis] = view.getUint32(entry + 8 + 4 * axis, true);
    invariant(data + byteLength <= source.length, 'a frame whose tensors pass its end');
    const bytes = source.subarray(data, data + byteLength);
    tensors.push([view.getUint16(entry, true), { datatype, shape, data: elements(datatype, bytes) }]);
    entry += 8 + 4 * rank;
    data += padded(byteLength);
  }
  return {
    kind: KIND_NAMES[view.getUint8(4)] as FrameKind,
    session: view.getUint32(8, true),
    id: view.getUint32(12, true),
    elapsedMs: view.getFloat64(16, true),
    at: view.getFloat64(24, true),
    offersMemory: view.getUint8(5) === 1,
    text: textBytes === 0 ? '' : Buffer.from(body.buffer, textStart, textBytes).toString('utf8'),
    tensors,
  };
}

function elements(datatype: Datatype, bytes: Uint8Array): Tensor['data'] {
  if (datatype !== 'BYTES') return viewBytes(datatype, bytes, bytes.byteLength / traitsOf(datatype).bytes);
  const strings = decodeStrings(bytes);
  invariant(Array.isArray(strings), 'a frame with a broken string');
  return strings;
}
