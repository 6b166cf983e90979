// The engines of one model version: so many children, each with the model loaded, replaced when they die.

import { setTimeout as delay } from 'node:timers/promises';
import { ServingError } from '../errors.ts';
import type { NamedTensors, Tensor } from '../tensor/tensor.ts';
import type { BusyPolling } from './busy-polling.ts';
import { checkMemory, type LoadingOptions, loadFailure, loadModel, SESSION } from './engine-loading.ts';
import { EnginePlace } from './engine-place.ts';
import { EngineProcess } from './engine-process.ts';
import { EngineRecycling } from './engine-recycling.ts';
import { type ExecutionOptions, type ExecutionResult, type Executor, NotStartedError } from './executor.ts';
import { type Frame, monotonicMs } from './frames.ts';
import { ModelFile } from './model-file.ts';
import type { SessionDescription } from './onnx-session.ts';
import { CRASH_LOOP_AFTER, restartDelayMs } from './restart-policy.ts';

export interface EnginePoolOptions extends LoadingOptions {
  /** Whether the model has all its tensors in its file; unless told so it may have others beside it. */
  readonly alone?: boolean;
  readonly instances: number;
  /** A run that takes longer gets its engine killed: there is no other way to stop one. */
  readonly runLimitMs: number;
  /** Where short runs are waited for awake; undefined: they are not. */
  readonly polling?: BusyPolling | undefined;
}

/** Hears what happens to the engines; for the log and the metrics. */
export interface EngineObserver {
  engineStarted(pid: number | undefined): void;
  engineExited(pid: number | undefined, how: string): void;
  /** One that held too much is about to be replaced. */
  engineRecycled(pid: number | undefined, residentBytes: number): void;
  engineLog(line: string): void;
  enginesChanged(ready: number, starting: number): void;
}

/** From `performance.now()` to the clock that engines read too. */
const CLOCK_OFFSET_MS = monotonicMs() - performance.now();
/** Below this, handing a batch over takes a noticeable part of the time, and the next one is sent ahead. */
const SHORT_RUN_MS = 2;
/** So large a part of a run's time shows too. */
const LONG_HAND_OVER = 0.2;

export class EnginePool implements Executor {
  readonly description: SessionDescription;
  failure: string | undefined;
  #options: EnginePoolOptions;
  #file: ModelFile | undefined;
  #observer: EngineObserver;
  #places = new Set<EnginePlace>();
  /** How long runs take, a moving average. */
  #runMs = Number.POSITIVE_INFINITY;
  /** How long after its end a run's answer is here, a moving average: under a flood of requests, as long as a turn of the event loop. */
  #handOverMs = 0;
  #starting = new Set<EngineProcess>();
  /** These have been replaced, take no more batches and end with their last. */
  #retiring = new Set<EnginePlace>();
  #recycling: EngineRecycling<EnginePlace> | undefined;
  #polling: BusyPolling | undefined;
  #deaths = 0;
  #closing = new AbortController();
  #listener: () => void = () => {};
  #inputIndex: ReadonlyMap<string, number>;
  #outputIndex: ReadonlyMap<string, number>;
  #allOutputs: string;

  private constructor(
    options: EnginePoolOptions,
    file: ModelFile | undefined,
    observer: EngineObserver,
    description: SessionDescription,
  ) {
    this.#options = options;
    this.#file = file;
    this.#observer = observer;
    this.#polling = options.polling;
    this.description = description;
    this.#inputIndex = new Map(description.signature.inputs.map(({ name }, i) => [name, i]));
    this.#outputIndex = new Map(description.signature.outputs.map(({ name }, i) => [name, i]));
    this.#allOutputs = [...this.#outputIndex.values()].join();
  }

  /**
   * Loads the model into a first engine; the others follow while that one serves already.
   * @param ended calls the load off
   * @throws ServingError MODEL_LOAD_FAILED when the model cannot be loaded, its load takes too long or kills the engine
   */
  static async start(options: EnginePoolOptions, observer: EngineObserver, ended?: AbortSignal): Promise<EnginePool> {
    const { modelPath } = options.session;
    const file = options.content || !modelPath ? undefined : new ModelFile(modelPath, options.alone ?? false);
    const engine = new EngineProcess((line) => observer.engineLog(line), file?.descriptor);
    const kill = () => engine.kill();
    ended?.addEventListener('abort', kill);
    try {
      const description = await loadModel(engine, options, file);
      checkMemory(engine, options);
      const pool = new EnginePool(options, file, observer, description);
      pool.#admit(engine);
      if (options.maxEngineBytes !== undefined) pool.#recycleBeyond(options.maxEngineBytes);
      for (let i = 1; i < options.instances; i++) void pool.#startAnother();
      return pool;
    } catch (error) {
      engine.kill();
      file?.close();
      throw loadFailure(error);
    } finally {
      ended?.removeEventListener('abort', kill);
    }
  }

  get signature() {
    return this.description.signature;
  }

  get engines(): number {
    return this.#places.size;
  }

  get slots(): number {
    const handOverShows = this.#runMs < SHORT_RUN_MS || this.#handOverMs > LONG_HAND_OVER * this.#runMs;
    return this.#places.size * (handOverShows ? 2 : 1);
  }

  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  /**
   * Resolves when all engines are there; to be asked before anyone else listens to changes.
   * @throws ServingError MODEL_LOAD_FAILED when one of them does not come up
   */
  async complete(): Promise<void> {
    while (this.#places.size < this.#options.instances) {
      if (this.#deaths > 0 || this.#closing.signal.aborted) {
        throw new ServingError('MODEL_LOAD_FAILED', 'not all of its engines came up');
      }
      await new Promise<void>((resolve) => {
        this.#listener = resolve;
      });
    }
    this.#listener = () => {};
  }

  async execute(
    inputs: NamedTensors,
    { outputs, beginBy = Number.POSITIVE_INFINITY }: ExecutionOptions = {},
  ): Promise<ExecutionResult> {
    const place = this.#leastBusy();
    const sentAt = performance.now();
    place.sent();
    this.#polling?.begin(this.#runMs);
    try {
      const frame = await place.engine.ask({
        kind: 'run',
        session: SESSION,
        at: beginBy + CLOCK_OFFSET_MS,
        text: outputs?.map((name) => this.#outputIndex.get(name)!).join() ?? this.#allOutputs,
        tensors: this.#indexed(inputs),
      });
      this.#deaths = 0;
      this.#runMs = Number.isFinite(this.#runMs) ? 0.9 * this.#runMs + 0.1 * frame.elapsedMs : frame.elapsedMs;
      const now = performance.now();
      const endedAt = frame.at + frame.elapsedMs - CLOCK_OFFSET_MS;
      this.#handOverMs += 0.1 * (now - endedAt - this.#handOverMs);
      const engineMs = now - Math.max(sentAt, place.answeredAt);
      place.answeredAt = now;
      return {
        outputs: this.#named(frame),
        computeMs: frame.elapsedMs,
        engineMs,
        startedAt: frame.at - CLOCK_OFFSET_MS,
      };
    } catch (error) {
      if (place.limit.reached !== 'ran too long' || error instanceof NotStartedError) throw error;
      const seconds = this.#options.runLimitMs / 1000;
      throw new ServingError(
        'DEADLINE_EXCEEDED',
        `The run took longer than its limit of ${seconds} s and was stopped.`,
      );
    } finally {
      place.ended();
      this.#polling?.end();
      if (place.batches === 0 && this.#retiring.has(place)) place.engine.kill();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#recycling?.end();
    const places = [...this.#places, ...this.#retiring];
    const engines = [...places.map(({ engine }) => engine), ...this.#starting];
    for (const engine of engines) engine.kill();
    await Promise.all(engines.map((engine) => engine.exited));
    this.#file?.close();
    this.#file = undefined;
  }

  #leastBusy(): EnginePlace {
    let best: EnginePlace | undefined;
    for (const place of this.#places) if (!best || place.batches < best.batches) best = place;
    if (!best) throw new ServingError('INTERNAL', 'Internal error: no engine is there.');
    return best;
  }

  #indexed(inputs: NamedTensors): Frame['tensors'] {
    const tensors: [number, Tensor][] = [];
    for (const [name, tensor] of inputs) tensors.push([this.#inputIndex.get(name)!, tensor]);
    return tensors;
  }

  #named(frame: Frame): NamedTensors {
    const outputs = new Map<string, Tensor>();
    for (const [index, tensor] of frame.tensors) outputs.set(this.signature.outputs[index]!.name, tensor);
    return outputs;
  }

  #admit(engine: EngineProcess): void {
    const place = new EnginePlace(engine, this.#options.runLimitMs);
    this.#places.add(place);
    this.failure = undefined;
    this.#observer.engineStarted(engine.pid);
    void engine.exited.then((how) => this.#lost(place, how));
    this.#changed();
  }

  #lost(place: EnginePlace, how: string): void {
    place.limit.close();
    this.#places.delete(place);
    const retired = this.#retiring.delete(place);
    if (this.#closing.signal.aborted || (retired && place.batches === 0)) return;
    const { reached } = place.limit;
    this.#observer.engineExited(place.engine.pid, place.killedFor ?? (reached ? `was killed: it ${reached}` : how));
    if (this.#recycling?.replaces(place)) this.#changed();
    else if (!retired) this.#mourn(how);
  }

  #mourn(how: string): void {
    this.#deaths++;
    if (this.#deaths >= CRASH_LOOP_AFTER && this.#places.size === 0) {
      this.failure = `its engines died ${this.#deaths} times in a row (last one ${how}); the next try follows by itself`;
    }
    this.#changed();
    void this.#startAnother();
  }

  async #startAnother(): Promise<void> {
    const { signal } = this.#closing;
    await delay(restartDelayMs(this.#deaths), undefined, { signal, ref: false }).catch(() => {});
    if (signal.aborted) return;
    const lost = await this.#startOne();
    if (lost !== undefined && !signal.aborted) this.#mourn(lost);
  }

  /** @returns why it does not serve, or undefined */
  async #startOne(): Promise<string | undefined> {
    const { signal } = this.#closing;
    let engine: EngineProcess | undefined;
    try {
      engine = new EngineProcess((line) => this.#observer.engineLog(line), this.#file?.descriptor);
      this.#starting.add(engine);
      this.#changed();
      await loadModel(engine, this.#options, this.#file);
      this.#starting.delete(engine);
      if (!signal.aborted) this.#admit(engine);
      return undefined;
    } catch (error) {
      if (engine) this.#starting.delete(engine);
      engine?.kill();
      const how = loadFailure(error).message;
      if (!signal.aborted) this.#observer.engineExited(engine?.pid, how);
      return how;
    }
  }

  #recycleBeyond(maxEngineBytes: number): void {
    this.#recycling = new EngineRecycling(maxEngineBytes, {
      engines: () => [...this.#places, ...this.#retiring],
      serves: (place) => this.#places.has(place),
      startOne: () => this.#startOne(),
      retire: (place, residentBytes) => this.#retire(place, residentBytes),
      bothLost: (how) => this.#mourn(how),
    });
  }

  #retire(place: EnginePlace, residentBytes: number): void {
    this.#places.delete(place);
    this.#retiring.add(place);
    this.#observer.engineRecycled(place.engine.pid, residentBytes);
    if (place.batches === 0) place.engine.kill();
    this.#changed();
  }

  #changed(): void {
    this.#observer.enginesChanged(this.#places.size, this.#starting.size);
    this.#listener();
  }
}
