// Valid inference requests for a few small models, drawn from what the protocol allows.

import { encodeStrings } from '../../../src/tensor/bytes.ts';
import { DATATYPE_NAMES, type Datatype, traitsOf } from '../../../src/tensor/datatype.ts';
import { rawBytes } from '../../../src/tensor/tensor.ts';
import { doubling, pair, repositoryOf, strings } from '../../fixtures/models.ts';
import type { Graph, Value } from '../../fixtures/onnx-writer.ts';
import { ONNX_TYPES, tensorOf } from '../../fixtures/tensors.ts';
import type { Draw } from './draw.ts';

interface KnownTensor {
  readonly name: string;
  readonly datatype: Datatype;
  /** Elements of a row; undefined: a row is one element, without a dimension of its own. */
  readonly columns?: number;
}

interface KnownModel {
  readonly name: string;
  readonly inputs: readonly KnownTensor[];
  readonly outputs: readonly KnownTensor[];
}

const EVERY = DATATYPE_NAMES.map((datatype) => ({ name: datatype.toLowerCase(), datatype, columns: 2 }));

const MODELS: readonly KnownModel[] = [
  {
    name: 'double',
    inputs: [{ name: 'x', datatype: 'FP32', columns: 2 }],
    outputs: [{ name: 'y', datatype: 'FP32', columns: 2 }],
  },
  {
    name: 'pair',
    inputs: [
      { name: 'a', datatype: 'FP32', columns: 2 },
      { name: 'b', datatype: 'INT64' },
    ],
    outputs: [
      { name: 'p', datatype: 'FP32', columns: 2 },
      { name: 'q', datatype: 'INT64' },
    ],
  },
  {
    name: 'strings',
    inputs: [{ name: 'x', datatype: 'BYTES' }],
    outputs: [
      { name: 'text', datatype: 'BYTES' },
      { name: 'image_bytes', datatype: 'BYTES' },
    ],
  },
  { name: 'every', inputs: EVERY, outputs: EVERY.map((tensor) => ({ ...tensor, name: `${tensor.name}_out` })) },
];

/** A folder with those models, gone afterwards. */
export function knownModels() {
  return repositoryOf({
    'double.onnx': doubling(),
    'pair.onnx': pair(),
    'strings.onnx': strings(),
    'every.onnx': every(),
  });
}

function every(): Graph {
  const values = (suffix: string): Value[] =>
    EVERY.map(({ name, datatype }) => ({ name: name + suffix, type: ONNX_TYPES[datatype], shape: ['batch', 2] }));
  return {
    nodes: EVERY.map(({ name }) => ({ operator: 'Identity', inputs: [name], outputs: [`${name}_out`] })),
    inputs: values(''),
    outputs: values('_out'),
  };
}

export interface DrawnRequest {
  readonly model: KnownModel;
  /** The request's object; its tensors have `data`, or `binary_data_size` and their bytes in `blobs`. */
  readonly object: Record<string, unknown>;
  readonly blobs: readonly Uint8Array[];
}

/** @param binary whether tensors may be in binary form */
export function drawRequest(draw: Draw, binary: boolean): DrawnRequest {
  const model = draw.of(MODELS);
  const rows = 1 + draw.below(3);
  const blobs: Uint8Array[] = [];
  const inputs = model.inputs.map((tensor) => {
    const shape = tensor.columns === undefined ? [rows] : [rows, tensor.columns];
    const head = { name: tensor.name, shape, datatype: tensor.datatype };
    const values = draw.list(rows * (tensor.columns ?? 1), () => element(draw, tensor.datatype));
    if (!binary || draw.chance(0.2)) return { ...head, data: nest(draw, values, tensor.columns) };
    const blob = bytesOf(tensor.datatype, shape, values);
    blobs.push(blob);
    return { ...head, parameters: { binary_data_size: blob.length } };
  });
  return { model, blobs, object: { ...extras(draw, model, binary), inputs } };
}

function extras(draw: Draw, { outputs }: KnownModel, binary: boolean): Record<string, unknown> {
  const wanted = () =>
    draw.some(outputs).map(({ name, datatype }) => ({
      name,
      ...(draw.chance(0.4) && { parameters: drawOutputParameters(draw, datatype, binary) }),
    }));
  return {
    ...(draw.chance(0.3) && { id: draw.of(['', '1', 'a "quoted" id', '\u{1f600}', 'x'.repeat(1024)]) }),
    ...(draw.chance(0.3) && { outputs: wanted() }),
    ...(draw.chance(0.3) && { parameters: drawParameters(draw, binary) }),
  };
}

function drawOutputParameters(draw: Draw, datatype: Datatype, binary: boolean): Record<string, unknown> {
  const ordered = !['BYTES', 'BOOL', 'FP16'].includes(datatype);
  return {
    ...(binary && { binary_data: draw.chance(0.5) }),
    ...(ordered && draw.chance(0.5) && { classification: draw.of([1, 2, 1000, 1e9]) }),
  };
}

function drawParameters(draw: Draw, binary: boolean): Record<string, unknown> {
  const known = [
    ['timeout', 1e9],
    ['priority', draw.below(101)],
    ['sequence_id', draw.below(9)],
    ['mine', 'text'],
    ...(binary ? [['binary_data_output', draw.chance(0.5)] as const] : []),
  ] as const;
  return Object.fromEntries(draw.some(known));
}

/** An element as JSON has it. */
function element(draw: Draw, datatype: Datatype): unknown {
  const { range } = traitsOf(datatype);
  if (datatype === 'BYTES') return draw.of(['', 'a', 'déjà', '\u{1f600}', '"\\/\n', '\u2028', 'x'.repeat(200)]);
  if (datatype === 'BOOL') return draw.chance(0.5);
  if (!range) return draw.of([0, -0, 1, -1.5, 0.1, 1e-30, 65_504, 1 / 3]);
  const value = draw.of([range[0], range[1], 0n, 1n, BigInt(draw.below(128))]);
  return datatype.endsWith('64') ? value : Number(value);
}

function nest(draw: Draw, values: readonly unknown[], columns: number | undefined): unknown {
  if (columns === undefined || draw.chance(0.5)) return values;
  return Array.from({ length: values.length / columns }, (_, row) => values.slice(row * columns, (row + 1) * columns));
}

function bytesOf(datatype: Datatype, shape: readonly number[], values: readonly unknown[]): Uint8Array {
  if (datatype === 'BYTES') return encodeStrings(values as string[]);
  const numbers = datatype === 'BOOL' ? values.map(Number) : values;
  return rawBytes(tensorOf(datatype, shape, numbers).data as never);
}
