// What an ONNX file says about itself, read without the runtime: producer, opsets, metadata, inputs, outputs, weights.
// Field numbers are those of onnx.proto (ModelProto, GraphProto, …).

import { readFileSync } from 'node:fs';
import { readMessage } from './protobuf.ts';

export interface OnnxValueInfo {
  readonly name: string;
  /** `tensor(float)` and the like, or `sequence`, `map`, `optional`. */
  readonly type: string;
  /** A number is fixed, a text is a dimension's name, '' a free dimension without one. */
  readonly shape: readonly (number | string)[];
}

interface OnnxInitializer {
  readonly name: string;
  readonly shape: readonly number[];
  /** onnx.TensorProto.DataType; 1 is float32. */
  readonly dataType: number;
  readonly data: Uint8Array;
}

export interface OnnxFile {
  readonly irVersion: number;
  readonly producer: string;
  readonly graph: string;
  readonly opsets: ReadonlyMap<string, number>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  readonly initializers: readonly OnnxInitializer[];
  /** How often each operator occurs. */
  readonly operators: ReadonlyMap<string, number>;
}

const ELEMENT_TYPES = [
  'undefined',
  'float',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'int32',
  'int64',
  'string',
  'bool',
  'float16',
  'double',
  'uint32',
  'uint64',
  'complex64',
  'complex128',
  'bfloat16',
  'float8e4m3fn',
  'float8e4m3fnuz',
  'float8e5m2',
  'float8e5m2fnuz',
  'uint4',
  'int4',
  'float4e2m1',
];

/** @throws Error when the file cannot be read or is no ONNX model */
export function readOnnxFile(path: string): OnnxFile {
  const model = readMessage(readFileSync(path));
  const [graphBytes] = model.bytes(7);
  if (!graphBytes) throw new Error('not an ONNX model: it has no graph');
  const graph = readMessage(graphBytes);
  const initializers = graph.bytes(5).map(readInitializer);
  const weights = new Set(initializers.map(({ name }) => name));
  const operators = new Map<string, number>();
  for (const node of graph.bytes(1).map(readMessage)) {
    const operator = [node.text(7), node.text(4)].filter(Boolean).join('.');
    operators.set(operator, (operators.get(operator) ?? 0) + 1);
  }
  return {
    irVersion: model.number(1),
    producer: [model.text(2), model.text(3)].filter(Boolean).join(' '),
    graph: graph.text(2),
    opsets: new Map(
      model
        .bytes(8)
        .map(readMessage)
        .map((opset) => [opset.text(1) || 'ai.onnx', opset.number(2)]),
    ),
    metadata: new Map(
      model
        .bytes(14)
        .map(readMessage)
        .map((entry) => [entry.text(1), entry.text(2)]),
    ),
    // Files before IR version 4 list their weights among the inputs.
    inputs: graph
      .bytes(11)
      .map(readValueInfo)
      .filter(({ name }) => !weights.has(name)),
    outputs: graph.bytes(12).map(readValueInfo),
    initializers,
    operators,
  };
}

function readValueInfo(bytes: Uint8Array): OnnxValueInfo {
  const value = readMessage(bytes);
  const type = readMessage(value.bytes(2)[0] ?? new Uint8Array());
  const [tensor] = type.bytes(1);
  if (!tensor) {
    const kinds: Record<number, string> = { 4: 'sequence', 5: 'map', 8: 'sparse_tensor', 9: 'optional' };
    const kind = Object.keys(kinds).find((field) => type.bytes(Number(field)).length > 0);
    return { name: value.text(1), type: kinds[Number(kind)] ?? 'unknown', shape: [] };
  }
  const { number, bytes: parts } = readMessage(tensor);
  const dimensions = readMessage(parts(2)[0] ?? new Uint8Array())
    .bytes(1)
    .map(readMessage);
  return {
    name: value.text(1),
    type: `tensor(${ELEMENT_TYPES[number(1)] ?? number(1)})`,
    shape: dimensions.map((dimension) => (dimension.has(1) ? dimension.number(1) : dimension.text(2))),
  };
}

function readInitializer(bytes: Uint8Array): OnnxInitializer {
  const tensor = readMessage(bytes);
  const floats = tensor.bytes(4)[0];
  return {
    name: tensor.text(8),
    shape: tensor.numbers(1),
    dataType: tensor.number(2),
    data: tensor.bytes(9)[0] ?? floats ?? new Uint8Array(),
  };
}
