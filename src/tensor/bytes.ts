// BYTES on the wire: each element is a little-endian uint32 length and then its UTF-8 bytes (Triton's binary tensor
// extension, "BYTES" encoding). The same framing carries strings to the engines.

import { isUtf8 } from 'node:buffer';

/** Joins strings into one length-prefixed block. */
export function encodeStrings(strings: readonly string[]): Uint8Array {
  let size = 0;
  const lengths = new Array<number>(strings.length);
  for (let i = 0; i < strings.length; i++) {
    const length = Buffer.byteLength(strings[i]!, 'utf8');
    lengths[i] = length;
    size += 4 + length;
  }
  const block = Buffer.allocUnsafe(size);
  let offset = 0;
  for (let i = 0; i < strings.length; i++) {
    offset = block.writeUInt32LE(lengths[i]!, offset);
    offset += block.write(strings[i]!, offset, 'utf8');
  }
  return block;
}

/** Where a block breaks: the element that is wrong and what is wrong with it. */
export interface StringBlockFault {
  readonly element: number;
  readonly reason: 'truncated' | 'not UTF-8' | 'holds NUL';
}

/** Splits a length-prefixed block; stops at the first element that the runtime could not carry unchanged. */
export function decodeStrings(block: Uint8Array): string[] | StringBlockFault {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const strings: string[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const element = strings.length;
    if (bytes.length - offset < 4) return { element, reason: 'truncated' };
    const length = bytes.readUInt32LE(offset);
    offset += 4;
    if (length > bytes.length - offset) return { element, reason: 'truncated' };
    const content = bytes.subarray(offset, offset + length);
    if (!isUtf8(content)) return { element, reason: 'not UTF-8' };
    if (content.includes(0)) return { element, reason: 'holds NUL' };
    strings.push(content.toString('utf8'));
    offset += length;
  }
  return strings;
}
