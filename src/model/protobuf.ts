// A reader of protobuf messages as ONNX files are made of: no schema, fields by their numbers.

export type ProtobufMessage = ReturnType<typeof readMessage>;

/** A field as it stands in a message: a varint's value, a length-delimited one's bytes, nothing of fixed ones. */
export interface ProtobufField {
  readonly field: number;
  readonly value: number | Uint8Array | undefined;
  /** The field's bytes, its number included. */
  readonly bytes: Uint8Array;
}

/** A message's fields by number: varints as numbers, length-delimited ones as bytes. */
export function readMessage(bytes: Uint8Array) {
  const varints = new Map<number, number[]>();
  const blocks = new Map<number, Uint8Array[]>();
  const add = <Value>(map: Map<number, Value[]>, field: number, value: Value) => {
    const values = map.get(field);
    if (values) values.push(value);
    else map.set(field, [value]);
  };
  for (const { field, value } of readFields(bytes)) {
    if (typeof value === 'number') add(varints, field, value);
    else if (value) add(blocks, field, value);
  }
  return {
    has: (field: number) => varints.has(field) || blocks.has(field),
    number: (field: number) => varints.get(field)?.[0] ?? 0,
    numbers: (field: number) => varints.get(field) ?? packed(blocks.get(field)?.[0]),
    bytes: (field: number) => blocks.get(field) ?? [],
    text: (field: number) => Buffer.from(blocks.get(field)?.[0] ?? []).toString('utf8'),
  };
}

/** A message's fields one after the other. @throws Error for bytes that are no message */
export function* readFields(bytes: Uint8Array): Generator<ProtobufField> {
  let offset = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[offset++];
      if (byte === undefined || scale > 2 ** 63)
        throw new Error('not an ONNX model: the file is damaged or of another kind');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (offset < bytes.length) {
    const start = offset;
    const tag = varint();
    const wire = tag % 8;
    let value: number | Uint8Array | undefined;
    if (wire === 0) value = varint();
    else if (wire === 1) offset += 8;
    else if (wire === 5) offset += 4;
    else if (wire === 2) {
      const length = varint();
      if (length > bytes.length - offset) throw new Error('not an ONNX model: the file is cut short');
      value = bytes.subarray(offset, offset + length);
      offset += length;
    } else throw new Error('not an ONNX model: the file is damaged or of another kind');
    yield { field: Math.floor(tag / 8), value, bytes: bytes.subarray(start, offset) };
  }
}

/** A length-delimited field. */
export function writeField(field: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
  return Buffer.concat([writeVarint(field * 8 + 2), writeVarint(length), ...parts]);
}

function writeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Uint8Array.of(...bytes, rest);
}

/** Repeated integers in their packed form; dimensions below 2^53. */
function packed(block: Uint8Array | undefined): number[] {
  const values: number[] = [];
  let value = 0;
  let scale = 1;
  for (const byte of block ?? []) {
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte >= 0x80) continue;
    values.push(value);
    value = 0;
    scale = 1;
  }
  return values;
}
