// Tensors that an ONNX file keeps in other files. The runtime refuses those that lead out of the model's folder; this
// refuses them before it sees them. The file is walked by the lengths of its fields, so weights are skipped, not read.

import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, resolve, sep } from 'node:path';
import { ServingError } from '../errors.ts';
import { readMessage } from './protobuf.ts';

/** Field numbers of onnx.proto that lead from a model to its tensors, by message. */
const PATHS = {
  model: { 7: 'graph', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  function: { 7: 'node' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'entry' },
  entry: {},
} as const satisfies Record<string, Readonly<Record<number, string>>>;

type Message = keyof typeof PATHS;

const MOST_NESTED = 200;
const WINDOW_BYTES = 4096;
/** Of protobuf's wire types that have a fixed size. */
const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/**
 * @param content the file where it is in memory: then it may have no tensors elsewhere
 * @returns whether there are such tensors
 * @throws ServingError MODEL_LOAD_FAILED for tensors outside the file's folder, in what is no regular file, or beyond its end
 */
export function checkExternalData(path: string | undefined, content: Uint8Array | undefined): boolean {
  if (content) {
    const [first] = externalTensors(new Bytes(content.length, (offset, end) => content.subarray(offset, end)));
    if (first) throw refusal(first, 'which a model that is not read from its folder cannot');
    return false;
  }
  const file = openSync(path!, 'r');
  try {
    const read = (offset: number, end: number) => {
      const bytes = new Uint8Array(end - offset);
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, offset));
    };
    let found = false;
    for (const tensor of externalTensors(new Bytes(statSync(path!).size, read))) {
      check(tensor, dirname(path!));
      found = true;
    }
    return found;
  } finally {
    closeSync(file);
  }
}

interface ExternalTensor {
  readonly location: string;
  readonly offset: number;
  /** 0 where the file does not tell. */
  readonly length: number;
}

function check(tensor: ExternalTensor, folder: string): void {
  const { location, offset, length } = tensor;
  const path = resolve(folder, location);
  if (location === '' || location.includes('\0') || isAbsolute(location) || !path.startsWith(folder + sep)) {
    throw refusal(tensor, 'which is not below its folder');
  }
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry?.isFile()) throw refusal(tensor, 'which is not there, or no regular file');
  if (!realpathSync(path).startsWith(realpathSync(folder) + sep))
    throw refusal(tensor, 'which leads out of its folder');
  if (!(offset >= 0 && length >= 0 && offset + length <= entry.size)) {
    throw refusal(tensor, `of which it wants bytes ${offset} to ${offset + length}, and there are ${entry.size}`);
  }
}

function refusal({ location }: ExternalTensor, what: string): ServingError {
  const name = JSON.stringify(location.slice(0, 100));
  return new ServingError('MODEL_LOAD_FAILED', `its model.onnx keeps a tensor in the file ${name}, ${what}`);
}

/** What a walk needs of a file: bytes near each other, read a window at a time. */
class Bytes {
  readonly length: number;
  readonly #read: (offset: number, end: number) => Uint8Array;
  #window: Uint8Array = new Uint8Array();
  #start = 0;

  constructor(length: number, read: (offset: number, end: number) => Uint8Array) {
    this.length = length;
    this.#read = read;
  }

  at(offset: number): number {
    if (offset < this.#start || offset >= this.#start + this.#window.length) {
      this.#window = this.#read(offset, Math.min(offset + WINDOW_BYTES, this.length));
      this.#start = offset;
    }
    const byte = this.#window[offset - this.#start];
    if (byte === undefined) throw damaged();
    return byte;
  }

  slice(start: number, end: number): Uint8Array {
    return this.#read(start, end);
  }
}

function* externalTensors(bytes: Bytes): Generator<ExternalTensor> {
  yield* walk(bytes, 'model', 0, bytes.length, 0);
}

function* walk(bytes: Bytes, message: Message, start: number, end: number, depth: number): Generator<ExternalTensor> {
  if (depth > MOST_NESTED)
    throw new ServingError('MODEL_LOAD_FAILED', `its graphs are nested over ${MOST_NESTED} deep`);
  const entries: [string, string][] = [];
  for (const { field, from, to } of fieldsOf(bytes, start, end)) {
    const next = (PATHS[message] as Readonly<Record<number, Message>>)[field];
    if (next === 'entry') {
      const entry = readMessage(bytes.slice(from, to));
      entries.push([entry.text(1), entry.text(2)]);
    } else if (next) yield* walk(bytes, next, from, to, depth + 1);
  }
  if (entries.length === 0) return;
  const { location = '', offset = '0', length = '0' } = Object.fromEntries(entries);
  yield { location, offset: Number(offset), length: Number(length) };
}

/** The length-delimited fields of a message. */
function* fieldsOf(bytes: Bytes, start: number, end: number) {
  let offset = start;
  const varint = () => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      const byte = bytes.at(offset++);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw damaged();
  };
  while (offset < end) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) {
      varint();
      continue;
    }
    const size = wire === 2 ? varint() : FIXED_BYTES[wire];
    if (size === undefined || size > end - offset) throw damaged();
    if (wire === 2) yield { field: Math.floor(tag / 8), from: offset, to: offset + size };
    offset += size;
  }
}

function damaged(): ServingError {
  return new ServingError('MODEL_LOAD_FAILED', 'its model.onnx is damaged, cut short or of another kind');
}
