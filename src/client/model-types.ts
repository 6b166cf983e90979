// What the compiler knows of a model: `ortlet types` prints an interface for each, and these types turn it into what a
// call takes and gives.

/** What a tensor's elements come as, by datatype of the protocol; int64 stays exact, a half is a number. */
interface DataTypes {
  BOOL: boolean[];
  UINT8: Uint8Array;
  UINT16: Uint16Array;
  UINT32: Uint32Array;
  UINT64: BigUint64Array;
  INT8: Int8Array;
  INT16: Int16Array;
  INT32: Int32Array;
  INT64: BigInt64Array;
  FP16: Float32Array;
  FP32: Float32Array;
  FP64: Float64Array;
  BYTES: string[];
}

export type Datatype = keyof DataTypes;

/** Elements in row-major order. In a printed type `number` in the shape is a dimension of any size. */
export interface Tensor<D extends Datatype = Datatype, Shape extends readonly number[] = readonly number[]> {
  datatype: D;
  shape: Shape;
  data: DataTypes[D];
}

/** A tensor of any datatype, whose `data` is known as soon as its `datatype` is. */
export type AnyTensor = { [D in Datatype]: Tensor<D> }[Datatype];

/** A model's tensors by name, as `ortlet types` prints them. */
export interface ModelTensors {
  inputs: Record<string, AnyTensor>;
  outputs: Record<string, AnyTensor>;
}

/** Models by name whose tensors are not known to the compiler. */
export type AnyModels = Record<string, ModelTensors>;

/** The constraint on a map of models, in a form that interfaces meet too. */
export type ModelMap<Models> = { [Name in keyof Models]: ModelTensors };

/** What `infer` takes: every input of the model. */
export type Inputs<Model extends ModelTensors> = { [Name in keyof Model['inputs']]: Input<Model['inputs'][Name]> };

/**
 * One input: arrays nested as deep as the shape has dimensions, the innermost perhaps a typed array, or elements in
 * row-major order with their shape.
 */
export type Input<T extends AnyTensor> = T extends AnyTensor
  ? Nested<T['datatype'], T['shape']> | FlatInput<T['datatype'], T['shape']>
  : never;

/** With a `datatype`, the model's metadata is not asked for. */
interface FlatInput<D extends Datatype, Shape extends readonly number[]> {
  readonly datatype?: D | undefined;
  readonly shape: Readonly<Shape>;
  readonly data: readonly Element<D>[] | TypedArray<D>;
}

export type OutputName<Model extends ModelTensors> = keyof Model['outputs'] & string;

type Nested<D extends Datatype, Shape extends readonly number[]> = number extends Shape['length']
  ? AnyNested<D>
  : Shape extends readonly []
    ? Element<D>
    : Shape extends readonly [number]
      ? readonly Element<D>[] | TypedArray<D>
      : Shape extends readonly [number, ...infer Row extends readonly number[]]
        ? readonly Nested<D, Row>[]
        : never;

type AnyNested<D extends Datatype> = Element<D> | TypedArray<D> | readonly AnyNested<D>[];

/** Numbers are welcome as 64-bit integers as long as they are safe integers. */
type Element<D extends Datatype> = D extends 'INT64' | 'UINT64' ? bigint | number : DataTypes[D][number];

type TypedArray<D extends Datatype> = Exclude<DataTypes[D], readonly unknown[]>;
