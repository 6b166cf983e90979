// Packed bodies that unpack to much more, go on without an end, or are not what they say.

import { constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';

export interface PackedBomb {
  readonly name: string;
  readonly encoding: string;
  /** Sent one after the other, as chunks of the transfer encoding. */
  readonly pieces: () => Iterable<Buffer>;
  /** What the server answers. */
  readonly status: number;
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** Says no length and no name; deflate follows. */
const GZIP_HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
const EMPTY_BLOCK = Buffer.from([0, 0, 0, 255, 255]);

/** Of 10 kB each: as much as deflate can pack into them. */
const small = Buffer.alloc(9 * MIB);
const block = 4 * MIB;

export const PACKED_BOMBS: readonly PackedBomb[] = [
  { name: '9 MiB of zeros in 9 kB of gzip', encoding: 'gzip', pieces: () => [gzipSync(small)], status: 400 },
  { name: '10 GiB of zeros in one gzip stream', encoding: 'gzip', pieces: () => stream(10 * GIB), status: 413 },
  { name: '10 GiB of zeros in many gzip members', encoding: 'gzip', pieces: () => members(10 * GIB), status: 413 },
  { name: '10 GiB in 10 kB, gzip in gzip in gzip', encoding: 'gzip', pieces: () => [nested(3)], status: 400 },
  { name: 'stacked encodings', encoding: 'gzip, gzip', pieces: () => [nested(2)], status: 415 },
  { name: 'deflate that says it is short', encoding: 'deflate', pieces: () => [lyingDeflate()], status: 400 },
  { name: '1 GiB of zeros in deflate', encoding: 'deflate', pieces: () => deflated(GIB), status: 413 },
  { name: 'gzip with a lying length', encoding: 'gzip', pieces: () => [lyingGzip()], status: 400 },
  { name: 'empty blocks without an end', encoding: 'gzip', pieces: () => emptyBlocks(), status: 413 },
  { name: 'empty gzip members without an end', encoding: 'gzip', pieces: () => emptyMembers(), status: 413 },
  { name: 'a file name without an end', encoding: 'gzip', pieces: () => endlessName(), status: 413 },
  ...['br', 'zstd', 'compress', 'x-gzip', 'GZIP', 'gzip;q=1', 'gzip, deflate', 'identity, gzip', '__proto__'].map(
    (encoding) => ({ name: `in ${encoding}`, encoding, pieces: () => [gzipSync(small)], status: 415 }),
  ),
];

/** One stream of which every part is the same: after a full flush nothing refers to what was before. */
function* stream(bytes: number): Iterable<Buffer> {
  yield GZIP_HEAD;
  const part = deflateRawSync(Buffer.alloc(block), { finishFlush: constants.Z_FULL_FLUSH });
  for (let at = 0; at < bytes; at += block) yield part;
}

function* deflated(bytes: number): Iterable<Buffer> {
  yield deflateSync(Buffer.alloc(block), { finishFlush: constants.Z_FULL_FLUSH });
  const part = deflateRawSync(Buffer.alloc(block), { finishFlush: constants.Z_FULL_FLUSH });
  for (let at = block; at < bytes; at += block) yield part;
}

function* members(bytes: number): Iterable<Buffer> {
  const member = gzipSync(Buffer.alloc(block));
  for (let at = 0; at < bytes; at += block) yield member;
}

/** 10 GiB of zeros, packed again and again. */
function nested(times: number): Buffer {
  let packed = Buffer.concat([...stream(10 * GIB)]);
  for (let i = 1; i < times; i++) packed = gzipSync(packed, { level: 9 });
  return packed;
}

/** Its length at the end is 1 byte. */
function lyingGzip(): Buffer {
  const packed = gzipSync(small);
  packed.writeUInt32LE(1, packed.length - 4);
  return packed;
}

/** A stored block whose length and its complement differ. */
function lyingDeflate(): Buffer {
  return Buffer.concat([Buffer.from([0x78, 0x9c, 1, 1, 0, 0, 0]), Buffer.alloc(MIB)]);
}

function* emptyBlocks(): Iterable<Buffer> {
  yield GZIP_HEAD;
  const part = Buffer.concat(Array(Math.floor(MIB / EMPTY_BLOCK.length)).fill(EMPTY_BLOCK));
  for (;;) yield part;
}

function* emptyMembers(): Iterable<Buffer> {
  const member = gzipSync('');
  const part = Buffer.concat(Array(Math.floor(MIB / member.length)).fill(member));
  for (;;) yield part;
}

function* endlessName(): Iterable<Buffer> {
  yield Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255]);
  const part = Buffer.alloc(MIB, 'a');
  for (;;) yield part;
}
