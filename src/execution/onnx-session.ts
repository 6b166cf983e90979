// The only door to onnxruntime. Runs inside an engine child, where a blocked thread or an abort hurts nobody else.

import type { InferenceSession, Tensor as OnnxTensor, OnnxValue } from 'onnxruntime-node';
import { type Datatype, datatypeFromOnnx, traitsOf } from '../tensor/datatype.ts';
import type { TensorMetadata, TensorSignature } from '../tensor/signature.ts';
import type { Tensor } from '../tensor/tensor.ts';

// On Node 24 and later onnxruntime picks Float16Array for float16 and then rejects it as empty; without the global it
// takes the raw bits in a Uint16Array. It must be gone before the library is loaded.
delete (globalThis as { Float16Array?: unknown }).Float16Array;
const onnxruntime = await import('onnxruntime-node');

export interface SessionOptions {
  /** Undefined where the file's content is given instead. */
  readonly modelPath: string | undefined;
  /** Tried in order; one that is `required` must work. */
  readonly executionProviders: readonly { readonly name: string; readonly required: boolean }[];
  readonly intraOpNumThreads: number;
}

/** What loading a model has shown. `providerReasons` tell why earlier providers were passed over. */
export interface SessionDescription {
  readonly signature: TensorSignature;
  /** Outputs left out because they are no tensors, or of a type that the protocol has not. */
  readonly hiddenOutputs: readonly { readonly name: string; readonly reason: string }[];
  readonly executionProvider: string;
  readonly providerReasons: readonly string[];
}

export class OnnxSession {
  readonly description: SessionDescription;
  #session: InferenceSession;

  private constructor(session: InferenceSession, description: SessionDescription) {
    this.#session = session;
    this.description = description;
  }

  /** @throws Error with a reason that an operator understands */
  static async load(options: SessionOptions, content: Uint8Array | undefined): Promise<OnnxSession> {
    const { session, executionProvider, providerReasons } = await createSession(options, content);
    const { inputs, outputs, hiddenOutputs } = describeValues(session);
    return new OnnxSession(session, {
      signature: { inputs, outputs },
      hiddenOutputs,
      executionProvider,
      providerReasons,
    });
  }

  /** Runs once; tensors are named by their place in the signature. @throws Error of the runtime */
  async run(
    inputs: readonly (readonly [number, Tensor])[],
    wanted: readonly number[],
  ): Promise<(readonly [number, Tensor])[]> {
    const { signature } = this.description;
    const feeds: Record<string, OnnxTensor> = Object.create(null);
    for (const [index, tensor] of inputs) feeds[signature.inputs[index]!.name] = toOnnx(tensor);
    const results = await this.#session.run(
      feeds,
      wanted.map((index) => signature.outputs[index]!.name),
    );
    return wanted.map((index) => {
      const { name, datatype } = signature.outputs[index]!;
      return [index, fromOnnx(datatype, results[name]!)] as const;
    });
  }
}

async function createSession(
  { modelPath, executionProviders, intraOpNumThreads }: SessionOptions,
  content: Uint8Array | undefined,
) {
  const supported = onnxruntime.listSupportedBackends().map((backend) => backend.name);
  const providerReasons: string[] = [];
  for (const [i, { name, required }] of executionProviders.entries()) {
    try {
      if (!supported.includes(name)) throw new Error(`this build of onnxruntime has only ${supported.join(', ')}`);
      const session = await onnxruntime.InferenceSession.create((content ?? modelPath) as string, {
        executionProviders: executionProviders.slice(i).map((provider) => provider.name),
        intraOpNumThreads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        logSeverityLevel: 3,
        extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
      });
      return { session, executionProvider: name, providerReasons };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const last = i === executionProviders.length - 1;
      if (required || last) throw new Error(name === 'cpu' ? reason : `execution provider '${name}': ${reason}`);
      providerReasons.push(`${name}: ${reason}`);
    }
  }
  throw new Error('no execution provider is configured');
}

function describeValues({ inputMetadata, outputMetadata }: InferenceSession) {
  const inputs = inputMetadata.map((value) => {
    const described = describeValue(value);
    if (typeof described === 'string') throw new Error(`input '${value.name}' ${described}`);
    return described;
  });
  const outputs: TensorMetadata[] = [];
  const hiddenOutputs: { name: string; reason: string }[] = [];
  for (const value of outputMetadata) {
    const described = describeValue(value);
    if (typeof described === 'string') hiddenOutputs.push({ name: value.name, reason: described });
    else outputs.push(described);
  }
  const [hidden] = hiddenOutputs;
  if (outputs.length === 0 && hidden)
    throw new Error(`output '${hidden.name}' ${hidden.reason}, and there is no other`);
  return { inputs, outputs, hiddenOutputs };
}

function describeValue(value: InferenceSession.ValueMetadata): TensorMetadata | string {
  if (!value.isTensor) return 'is a sequence or a map, which the runtime cannot hand over as a tensor';
  const datatype = datatypeFromOnnx(value.type);
  if (!datatype) return `has the type ${value.type}, which the Open Inference Protocol does not know`;
  return {
    name: value.name,
    datatype,
    shape: value.shape.map((dimension) => (typeof dimension === 'number' ? dimension : -1)),
    symbols: value.shape.map(String),
  };
}

function toOnnx({ datatype, shape, data }: Tensor): OnnxTensor {
  const type = traitsOf(datatype).onnx as OnnxTensor.Type;
  return new onnxruntime.Tensor(type, data as OnnxTensor.DataType, shape as number[]) as OnnxTensor;
}

function fromOnnx(datatype: Datatype, value: OnnxValue): Tensor {
  const { dims, data } = value as OnnxTensor;
  return { datatype, shape: dims, data: data as Tensor['data'] };
}
