// The thirteen datatypes of the Open Inference Protocol, each with its size, its array and onnxruntime's name for it.

export type NumericArray =
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>;

interface NumericArrayConstructor {
  new (length: number): NumericArray;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): NumericArray;
  readonly BYTES_PER_ELEMENT: number;
}

/** `bytes`: size of one element on the wire (0: variable). `onnx`: onnxruntime-node's name of the type. */
interface DatatypeTraits {
  readonly bytes: number;
  readonly onnx: string;
  readonly array: NumericArrayConstructor | undefined;
  /** Inclusive range of an integer type, as exact integers; undefined for the others. */
  readonly range?: readonly [bigint, bigint];
}

/** Order is part of the engine's frame format: append only. BOOL travels as bytes 0/1, FP16 as its raw 16 bits. */
const DATATYPES = {
  BOOL: { bytes: 1, onnx: 'bool', array: Uint8Array },
  UINT8: { bytes: 1, onnx: 'uint8', array: Uint8Array, range: [0n, 255n] },
  UINT16: { bytes: 2, onnx: 'uint16', array: Uint16Array, range: [0n, 65_535n] },
  UINT32: { bytes: 4, onnx: 'uint32', array: Uint32Array, range: [0n, 4_294_967_295n] },
  UINT64: { bytes: 8, onnx: 'uint64', array: BigUint64Array, range: [0n, 18_446_744_073_709_551_615n] },
  INT8: { bytes: 1, onnx: 'int8', array: Int8Array, range: [-128n, 127n] },
  INT16: { bytes: 2, onnx: 'int16', array: Int16Array, range: [-32_768n, 32_767n] },
  INT32: { bytes: 4, onnx: 'int32', array: Int32Array, range: [-2_147_483_648n, 2_147_483_647n] },
  INT64: {
    bytes: 8,
    onnx: 'int64',
    array: BigInt64Array,
    range: [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
  },
  FP16: { bytes: 2, onnx: 'float16', array: Uint16Array },
  FP32: { bytes: 4, onnx: 'float32', array: Float32Array },
  FP64: { bytes: 8, onnx: 'float64', array: Float64Array },
  BYTES: { bytes: 0, onnx: 'string', array: undefined },
} as const satisfies Record<string, DatatypeTraits>;

export type Datatype = keyof typeof DATATYPES;

export const DATATYPE_NAMES = Object.keys(DATATYPES) as Datatype[];

export function traitsOf(datatype: Datatype): DatatypeTraits {
  return DATATYPES[datatype];
}

/** The protocol's name for a type that onnxruntime names, or undefined where the protocol has none (int4, bfloat16). */
export function datatypeFromOnnx(onnxType: string): Datatype | undefined {
  return DATATYPE_NAMES.find((name) => DATATYPES[name].onnx === onnxType);
}
