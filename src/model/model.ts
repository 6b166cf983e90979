// One loaded version of a model: takes a request, checks it against the signature, has it scheduled.

import type { ScheduledResult, Scheduler } from '../batching/scheduler.ts';
import { ServingError } from '../errors.ts';
import type { Executor } from '../execution/executor.ts';
import type { InferenceContext, InferenceRequest, InferenceResponse } from '../inference.ts';
import type { ModelStatistics } from '../observability/statistics.ts';
import { checkClassifiable, classify } from '../tensor/classification.ts';
import { toClientShapes, toModelShapes } from '../tensor/reshape.ts';
import { checkInputs, type ModelSignature } from '../tensor/signature.ts';
import type { NamedTensors } from '../tensor/tensor.ts';
import type { ConfiguredSignature } from './triton/signature.ts';
import type { TritonModel } from './triton/translation.ts';
import type { Tuning } from './tuning.ts';
import type { VersionPolicy } from './version-policy.ts';

/** What was decided when the model was loaded, each with its reason; shown in metadata, log and `ortlet check`. */
export interface ModelFacts {
  readonly batching: { readonly enabled: boolean; readonly maxBatchSize: number; readonly reason: string };
  /** Inputs that are filled up so that requests of different lengths share a run. */
  readonly padding: { readonly inputs: readonly string[]; readonly reason: string };
  /** How many engines of how many threads, how long runs take, and how that was found out. */
  readonly tuning: Tuning;
  readonly versions: VersionPolicy;
  readonly executionProvider: { readonly name: string; readonly passedOver: readonly string[] };
  readonly hiddenOutputs: readonly { readonly name: string; readonly reason: string }[];
  readonly requestTimeoutMs: number;
  /** The level of requests that say no priority; smaller ones are more urgent. */
  readonly usualPriority: number;
  /** Names of the classes of an output, by index; '' is for every output that has none of its own. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  /** What its configuration for Triton asks for and does not get, a line each with the reason. */
  readonly passedOver: readonly string[];
  /** Its configuration for Triton, where there is one. */
  readonly triton: TritonModel | undefined;
  /** One row that the model has run when it was loaded; undefined when no made-up input suited it. */
  readonly sample: NamedTensors | undefined;
}

/** Hears of every request that was meant for the model; for the metrics. */
export interface RequestObserver {
  /** @param outcome `ok` or an error code */
  requestAnswered(outcome: string, ms: number): void;
}

export interface ModelParts {
  readonly name: string;
  readonly version: string;
  /** As clients see it. */
  readonly signature: ModelSignature;
  /** Undefined where clients see the file's own shapes and all its outputs. */
  readonly reshapes: ConfiguredSignature['reshapes'] | undefined;
  readonly facts: ModelFacts;
  readonly executor: Executor;
  readonly scheduler: Scheduler;
  readonly observer: RequestObserver;
  readonly statistics: ModelStatistics;
}

export class Model {
  readonly name: string;
  readonly version: string;
  readonly signature: ModelSignature;
  readonly facts: ModelFacts;
  readonly statistics: ModelStatistics;
  readonly #reshapes: ModelParts['reshapes'];
  readonly #executor: Executor;
  readonly #scheduler: Scheduler;
  readonly #observer: RequestObserver;

  constructor(parts: ModelParts) {
    const { name, version, signature, reshapes, facts, executor, scheduler, observer, statistics } = parts;
    this.#reshapes = reshapes;
    this.name = name;
    this.version = version;
    this.signature = signature;
    this.facts = facts;
    this.statistics = statistics;
    this.#executor = executor;
    this.#scheduler = scheduler;
    this.#observer = observer;
  }

  /** Why the model cannot answer for now though it is loaded, or undefined. */
  get failure(): string | undefined {
    return this.#executor.failure;
  }

  /** To be asked before a large request of so many bytes of tensors is read. @throws ServingError QUEUE_FULL */
  checkRoom(bytes: number): void {
    try {
      this.#scheduler.checkRoom(bytes);
    } catch (error) {
      this.#observer.requestAnswered('QUEUE_FULL', 0);
      throw error;
    }
  }

  /** @throws ServingError INVALID_INPUT, INVALID_REQUEST or what Scheduler.enqueue throws */
  async infer(request: InferenceRequest, context: InferenceContext): Promise<InferenceResponse> {
    const startedAt = performance.now();
    try {
      const inputs = checkInputs(this.signature, this.name, request.inputs);
      this.#checkOutputs(request.outputs);
      const { outputs: raw, timings } = this.#reshapes
        ? await this.#enqueueReshaped(inputs, request.outputs, context, this.#reshapes)
        : await this.#scheduler.enqueue(inputs, namesOf(request.outputs), context);
      const outputs = this.#classify(raw, request.outputs);
      this.#observer.requestAnswered('ok', performance.now() - startedAt);
      return { model: this.name, version: this.version, outputs, timings };
    } catch (error) {
      const outcome = error instanceof ServingError ? error.code : 'INTERNAL';
      this.#observer.requestAnswered(outcome, performance.now() - startedAt);
      throw error;
    }
  }

  /** Takes no more requests and finishes those inside. */
  stop(): Promise<void> {
    return this.#scheduler.stop();
  }

  /** Releases the engines now. */
  close(): Promise<void> {
    return this.#executor.close();
  }

  async #enqueueReshaped(
    inputs: NamedTensors,
    wanted: InferenceRequest['outputs'],
    context: InferenceContext,
    reshapes: ConfiguredSignature['reshapes'],
  ): Promise<ScheduledResult> {
    // The file may have outputs that clients do not see, and another order.
    const names = namesOf(wanted ?? this.signature.outputs);
    const { outputs, timings } = await this.#scheduler.enqueue(toModelShapes(inputs, reshapes.inputs), names, context);
    return { outputs: toClientShapes(outputs, reshapes.outputs), timings };
  }

  #classify(outputs: NamedTensors, wanted: InferenceRequest['outputs']): NamedTensors {
    if (!wanted?.some(({ classes }) => classes)) return outputs;
    const shaped = new Map(outputs);
    for (const { name, classes } of wanted) {
      if (!classes) continue;
      const labels = this.facts.labels.get(name) ?? this.facts.labels.get('') ?? [];
      shaped.set(name, classify(outputs.get(name)!, classes, this.signature.hasRows, labels));
    }
    return shaped;
  }

  #checkOutputs(wanted: InferenceRequest['outputs']): void {
    for (const { name, classes } of wanted ?? []) {
      const known = this.signature.outputs.find((output) => output.name === name);
      if (known && classes) checkClassifiable(known);
      if (known) continue;
      const hidden = this.facts.hiddenOutputs.find((output) => output.name === name);
      const outputs = this.signature.outputs.map((output) => `'${output.name}'`).join(', ');
      throw new ServingError(
        'INVALID_REQUEST',
        `unexpected inference output '${name}' for model '${this.name}'` +
          (hidden ? `: it ${hidden.reason}.` : `. Its outputs are ${outputs}.`),
      );
    }
  }
}

function namesOf(outputs: readonly { readonly name: string }[] | undefined): string[] | undefined {
  return outputs?.map(({ name }) => name);
}
