// Inference from TypeScript, in Node.js and in browsers: what `ortlet types` prints of a server's models makes wrong
// inputs and outputs compile errors. Stands on the global `fetch` alone.
//
//   inputs ▶ elements ▶ message ▶ connection ▶ fetch
//   the answer is each call's return value, in reverse

import { Connection } from './connection.ts';
import { Deadline } from './deadline.ts';
import { toWire, type WireTensor } from './elements.ts';
import { OrtletError } from './error.ts';
import { decodeAnswer, encodeRequest, parseJson } from './message.ts';
import type { AnyModels, Datatype, Inputs, ModelMap, OutputName } from './model-types.ts';

export { OrtletError } from './error.ts';
export type { AnyModels, AnyTensor, Datatype, Input, Inputs, ModelTensors, Tensor } from './model-types.ts';

export interface ClientOptions {
  /** Where the server is, `http://localhost:8080` for example; in browsers also a path on the page's own server. */
  readonly url: string;
  /** Longest time a call may take with its retries, from 1 to 999999999 or infinity; default 30000. The server is told. */
  readonly timeoutMs?: number | undefined;
  /**
   * How often inference and metadata are asked for again, default 2: after a 503 with `Retry-After`, which is waited for
   * if the time limit allows, and when no connection came about.
   */
  readonly retries?: number | undefined;
  /** Whether tensors travel in binary form, which is exact and cheapest (the default), or in JSON. */
  readonly binary?: boolean | undefined;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

export interface CallOptions {
  /** Ends the call, and the waiting between retries; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Overrides the client's. */
  readonly timeoutMs?: number | undefined;
}

export interface VersionOptions extends CallOptions {
  /** Default: the newest that is ready. */
  readonly version?: string | undefined;
}

export interface InferOptions<Output extends string> extends VersionOptions {
  /** The outputs wanted; default: all. */
  readonly outputs?: readonly Output[] | undefined;
  /** Comes back in the result. */
  readonly id?: string | undefined;
  /** Overrides the client's. */
  readonly binary?: boolean | undefined;
}

export interface InferResult<Outputs> {
  readonly model: string;
  readonly version: string;
  readonly id: string | undefined;
  /** Elements are in row-major order: in typed arrays, but strings for BYTES and booleans for BOOL. */
  readonly outputs: Outputs;
}

/** `shape`: -1 is a dimension of any size. */
export interface TensorMetadata {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  /** The versions that are ready, or the one asked for. */
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** What the server decided when it loaded the model, and why. */
  readonly parameters: Readonly<Record<string, string | number>>;
}

/**
 * One server and its models. Every method throws an OrtletError when the server refuses or does not answer in time, and
 * the signal's reason when the caller ends the call.
 */
export class OrtletClient<Models extends ModelMap<Models> = AnyModels> {
  #connection: Connection;
  #timeoutMs: number;
  #retries: number;
  #binary: boolean;
  /** Metadata of each model's path, for the datatypes of inputs. */
  #known = new Map<string, Promise<ModelMetadata>>();

  constructor({ url, timeoutMs = 30_000, retries = 2, binary = true, headers = {} }: ClientOptions) {
    this.#connection = new Connection(url, headers);
    this.#timeoutMs = timeoutMs;
    this.#retries = retries;
    this.#binary = binary;
  }

  /**
   * Runs a model. Datatypes come from its metadata, unless every input names its own; it is asked for once, and again
   * after a refusal.
   * @param inputs each as arrays nested as the shape is, the innermost perhaps typed arrays, or as `{ shape, data }` with
   *   the elements in row-major order; 64-bit integers as bigint or safe integers, FP16 as numbers
   * @throws OrtletError without a status for an element that does not fit its datatype, and for ragged arrays
   */
  async infer<Name extends keyof Models & string, Output extends OutputName<Models[Name]> = OutputName<Models[Name]>>(
    model: Name,
    inputs: Inputs<Models[Name]>,
    options: InferOptions<Output> = {},
  ): Promise<InferResult<Pick<Models[Name]['outputs'], Output>>> {
    const { version, outputs, id, binary = this.#binary } = options;
    const path = pathOf(model, version);
    return this.#within(options, async (deadline) => {
      try {
        const tensors = await this.#read(path, inputs, deadline);
        const { headers, body } = encodeRequest({ id, inputs: tensors, outputs }, binary);
        const call = { method: 'POST', path: `${path}/infer`, headers, body } as const;
        const answer = await this.#connection.send(call, deadline, this.#retries);
        return decodeAnswer(answer) as InferResult<Pick<Models[Name]['outputs'], Output>>;
      } catch (error) {
        // Perhaps the model has changed since its metadata were read.
        if (error instanceof OrtletError && error.status !== undefined && error.status < 500) this.#known.delete(path);
        throw error;
      }
    });
  }

  /** A model's inputs and outputs, as the server has them now. */
  metadata(model: keyof Models & string, options: VersionOptions = {}): Promise<ModelMetadata> {
    return this.#within(options, (deadline) => this.#ask<ModelMetadata>(pathOf(model, options.version), deadline));
  }

  /** Names of all models, ready or not. */
  async models(options: CallOptions = {}): Promise<string[]> {
    return this.#within(options, async (deadline) => {
      const { models } = await this.#ask<{ models: string[] }>('/v2/models', deadline);
      return models;
    });
  }

  /** Whether the server answers at all; false, too, where none does. */
  live(options: CallOptions = {}): Promise<boolean> {
    return this.#check('/v2/health/live', options);
  }

  /** Whether every model is ready, or the one that is named; false, too, where no server answers. */
  ready(model?: keyof Models & string, options: VersionOptions = {}): Promise<boolean> {
    return this.#check(model === undefined ? '/v2/health/ready' : `${pathOf(model, options.version)}/ready`, options);
  }

  /** Loads a model, or loads it again; needs `modelControl: explicit`. As long as it takes, unless `timeoutMs` says less. */
  async load(model: string, options: CallOptions = {}): Promise<void> {
    await this.#control(model, 'load', options);
  }

  /** Unloads a model after its running requests, on the same terms. */
  async unload(model: string, options: CallOptions = {}): Promise<void> {
    await this.#control(model, 'unload', options);
  }

  async #read(
    path: string,
    inputs: Readonly<Record<string, unknown>>,
    deadline: Deadline,
  ): Promise<Map<string, WireTensor>> {
    const tensors = new Map<string, WireTensor>();
    for (const [name, input] of Object.entries(inputs)) {
      const datatype =
        (input as { datatype?: Datatype } | undefined)?.datatype ?? (await this.#datatype(path, name, deadline));
      tensors.set(name, toWire(name, datatype, input));
    }
    return tensors;
  }

  async #datatype(path: string, name: string, deadline: Deadline): Promise<Datatype> {
    const { name: model, inputs } = await deadline.race(this.#know(path));
    const input = inputs.find((candidate) => candidate.name === name);
    if (input) return input.datatype;
    const names = inputs.map((candidate) => `'${candidate.name}'`).join(', ');
    throw new OrtletError(`model '${model}' has no input '${name}'. Its inputs are ${names}.`);
  }

  /** Calls that need the same metadata at once share one request, so it ends with none of them. */
  #know(path: string): Promise<ModelMetadata> {
    const known = this.#known.get(path);
    if (known) return known;
    const asked = this.#within({}, (deadline) => this.#ask<ModelMetadata>(path, deadline));
    this.#known.set(path, asked);
    asked.catch(() => this.#known.delete(path));
    return asked;
  }

  async #ask<Body>(path: string, deadline: Deadline): Promise<Body> {
    const { body } = await this.#connection.send({ method: 'GET', path }, deadline, this.#retries);
    return parseJson<Body>(body);
  }

  #check(path: string, options: CallOptions): Promise<boolean> {
    return this.#within(options, async (deadline) => {
      try {
        await this.#connection.send({ method: 'GET', path }, deadline, 0);
        return true;
      } catch (error) {
        if (error instanceof OrtletError && (error.status === 503 || error.status === undefined)) return false;
        throw error;
      }
    });
  }

  #control(model: string, action: string, { signal, timeoutMs = Number.POSITIVE_INFINITY }: CallOptions) {
    const path = `/v2/repository/models/${encodeURIComponent(model)}/${action}`;
    return this.#within({ signal, timeoutMs }, (deadline) =>
      this.#connection.send({ method: 'POST', path }, deadline, 0),
    );
  }

  async #within<Result>(
    { timeoutMs = this.#timeoutMs, signal }: CallOptions,
    work: (deadline: Deadline) => Promise<Result>,
  ): Promise<Result> {
    const deadline = new Deadline(timeoutMs, signal);
    try {
      return await work(deadline);
    } finally {
      deadline.release();
    }
  }
}

function pathOf(model: string, version: string | undefined): string {
  return `/v2/models/${encodeURIComponent(model)}${version === undefined ? '' : `/versions/${encodeURIComponent(version)}`}`;
}
