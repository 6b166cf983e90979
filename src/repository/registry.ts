// What is loaded: every known version with its state and reason; resolves names, loads, reloads and unloads.

import { ServingError } from '../errors.ts';
import type { Model } from '../model/model.ts';
import type { ModelOverride } from '../model/source.ts';
import { type ReadyRule, unready } from './readiness.ts';
import type { IndexEntry, ModelState } from './version-state.ts';

export { type IndexEntry, isRetired, MODEL_STATES, type ModelState } from './version-state.ts';

/** One version on disk, ready to be loaded. */
export interface Loadable {
  readonly version: string;
  load(): Promise<Model>;
}

/** The versions of one model that its policy picks, and the labels that stand for some of them. */
export interface LoadableModel {
  readonly versions: readonly Loadable[];
  readonly labels: ReadonlyMap<string, string>;
}

export interface RegistryOptions {
  /** Names of all models on disk. */
  readonly discover: () => string[];
  /** What a model is to be loaded from; throws MODEL_LOAD_FAILED; without versions when the model is gone. */
  readonly find: (name: string, override: ModelOverride | undefined) => LoadableModel;
  /** Which models must be ready for the server to be. */
  readonly readyModels: ReadyRule;
  /** How many models load at once at the start. */
  readonly concurrency: number;
  readonly onChange: (name: string, version: string, state: ModelState, reason: string) => void;
}

interface Slot {
  state: ModelState;
  reason: string;
  model: Model | undefined;
}

export class Registry {
  #options: RegistryOptions;
  #models = new Map<string, Map<string, Slot>>();
  #labels = new Map<string, ReadonlyMap<string, string>>();
  /** What clients have put in place of what is on disk, until the model is unloaded. */
  #overrides = new Map<string, ModelOverride>();
  /** Loads and unloads of one name happen one after the other. */
  #turns = new Map<string, Promise<unknown>>();
  /** Models found that were not tried yet. */
  #untried = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** Looks for models on disk; they count as starting until `loadAll` has tried them. @throws what `discover` throws */
  scan(): void {
    for (const name of this.#options.discover()) this.#models.set(name, new Map());
    this.#untried = this.#models.size;
  }

  /** Loads every model found; one that fails is UNAVAILABLE with its reason and stops nothing. */
  async loadAll(onProgress: (done: number, total: number) => void = () => {}): Promise<void> {
    const total = this.#models.size;
    const remaining = this.names();
    const worker = async () => {
      for (let name = remaining.shift(); name !== undefined; name = remaining.shift()) {
        await this.load(name).catch(() => {});
        this.#untried--;
        onProgress(total - this.#untried, total);
      }
    };
    await Promise.all(Array.from({ length: this.#options.concurrency }, worker));
  }

  /**
   * Loads a model, or loads it again: new versions come up beside the old ones, which serve until they are replaced.
   * @param override stands in for what is on disk, now and when the model is loaded again; undefined: as it was
   * @throws ServingError MODEL_NOT_FOUND, or MODEL_LOAD_FAILED when a version fails; an old one then serves on
   */
  load(name: string, override?: ModelOverride): Promise<void> {
    return this.#inTurn(name, async () => {
      const known = this.#models.get(name) ?? new Map<string, Slot>();
      const effective = override ?? this.#overrides.get(name);
      const { versions: loadables, labels } = this.#find(name, known, effective);
      this.#models.set(name, known);
      for (const { version } of loadables) if (!known.has(version)) this.#set(name, version, 'LOADING', '');
      const failures = await Promise.all(loadables.map((loadable) => this.#loadVersion(name, loadable)));
      const failure = failures.find((reason) => reason !== undefined);
      if (failure !== undefined && override) {
        throw new ServingError('MODEL_LOAD_FAILED', `failed to load '${name}', ${failure}`);
      }
      this.#labels.set(name, labels);
      if (effective) this.#overrides.set(name, effective);
      const picked = new Set(loadables.map(({ version }) => version));
      for (const version of known.keys()) {
        if (!picked.has(version)) await this.#retire(name, version, 'not picked by the version policy');
      }
      if (failure !== undefined) throw new ServingError('MODEL_LOAD_FAILED', `failed to load '${name}', ${failure}`);
    });
  }

  /** Unloads every version of a model after what it runs has finished; unknown names are fine. */
  unload(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      for (const version of this.#models.get(name)?.keys() ?? []) await this.#retire(name, version, 'unloaded');
      this.#overrides.delete(name);
    });
  }

  /**
   * The model that a request means.
   * @param version a number, or a label that stands for one; undefined: the highest that is ready
   * @throws ServingError MODEL_NOT_FOUND or MODEL_NOT_READY with the reason
   */
  resolve(name: string, version?: string): Model {
    const slots = this.#models.get(name);
    if (!slots) throw new ServingError('MODEL_NOT_FOUND', `Request for unknown model: '${name}' is not found`);
    if (version !== undefined) {
      const labels = this.#labels.get(name);
      const number = labels?.get(version) ?? version;
      const slot = slots.get(number);
      if (slot) return ready(name, number, slot);
      const known = labels?.size ? `; its labels are ${[...labels.keys()].join(', ')}` : '';
      throw new ServingError(
        'MODEL_NOT_FOUND',
        `Request for unknown model: '${name}' version ${version} is not found${known}`,
      );
    }
    const [best, slot] = newest(slots) ?? [];
    if (best === undefined || !slot) throw notReady(name, 'is not loaded yet', 'LOADING');
    return ready(name, best, slot);
  }

  /** Models ready to answer, every version of each. */
  readyModels(): Model[] {
    return [...this.#models.values()].flatMap((slots) =>
      [...slots.values()].flatMap((s) => (isReady(s) ? s.model! : [])),
    );
  }

  readyVersions(name: string): string[] {
    return [...(this.#models.get(name) ?? [])].filter(([, slot]) => isReady(slot)).map(([version]) => version);
  }

  names(): string[] {
    return [...this.#models.keys()];
  }

  /** One entry a version, as the repository index shows them. */
  index(): IndexEntry[] {
    return [...this.#models].flatMap(([name, slots]) =>
      [...slots].map(([version, slot]) => ({
        name,
        version,
        state: shownState(slot),
        reason: slot.model?.failure ?? slot.reason,
      })),
    );
  }

  /** Whether every model that was there at the start has been tried. */
  get started(): boolean {
    return this.#untried === 0;
  }

  /** Why the server should get no traffic, by the models that must be ready; or undefined. */
  get unready(): string | undefined {
    return unready(this.#options.readyModels, this.index(), this.started);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loaded().map((model) => model.stop()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#loaded().map((model) => model.close()));
  }

  #loaded(): Model[] {
    return [...this.#models.values()].flatMap((slots) => [...slots.values()].flatMap(({ model }) => model ?? []));
  }

  #find(name: string, known: ReadonlyMap<string, Slot>, override: ModelOverride | undefined): LoadableModel {
    try {
      const found = this.#options.find(name, override);
      if (found.versions.length > 0) return found;
    } catch (error) {
      const reason = reasonOf(error);
      if (known.size === 0 && !override) {
        this.#models.set(name, new Map());
        this.#set(name, '1', 'UNAVAILABLE', reason);
      }
      throw new ServingError('MODEL_LOAD_FAILED', `failed to load '${name}', ${reason}`, { cause: error });
    }
    throw new ServingError('MODEL_NOT_FOUND', `failed to load '${name}', failed to poll from model repository`);
  }

  /** @returns why it failed, or undefined */
  async #loadVersion(name: string, { version, load }: Loadable): Promise<string | undefined> {
    const old = this.#models.get(name)?.get(version)?.model;
    try {
      const model = await load();
      if (this.#closed) await model.close();
      this.#set(name, version, 'READY', '', model);
      await retire(old);
      return undefined;
    } catch (error) {
      const reason = reasonOf(error);
      if (!old) this.#set(name, version, 'UNAVAILABLE', reason);
      return reason;
    }
  }

  async #retire(name: string, version: string, reason: string): Promise<void> {
    const model = this.#models.get(name)?.get(version)?.model;
    this.#set(name, version, 'UNLOADING', reason);
    await retire(model);
    this.#set(name, version, 'UNAVAILABLE', reason);
  }

  #set(name: string, version: string, state: ModelState, reason: string, model?: Model): void {
    this.#models.get(name)!.set(version, { state, reason, model });
    this.#options.onChange(name, version, state, reason);
  }

  #inTurn<Result>(name: string, action: () => Promise<Result>): Promise<Result> {
    const before = this.#turns.get(name) ?? Promise.resolve();
    const turn = before.then(action, action);
    this.#turns.set(name, turn);
    const forget = () => this.#turns.get(name) === turn && this.#turns.delete(name);
    turn.then(forget, forget);
    return turn;
  }
}

/** Fit for clients: the system's own words, and those of a scan for the operator, would name paths. */
function reasonOf(error: unknown): string {
  if (error instanceof ServingError) return error.code === 'NOT_FOUND' ? 'the folder of models is gone' : error.message;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return syscall === undefined ? 'an internal error; see the log' : `its files could not be read (${code})`;
}

async function retire(model: Model | undefined): Promise<void> {
  await model?.stop();
  await model?.close();
}

/** The highest version that is ready, else the highest; on the way of every request, so it neither sorts nor copies. */
function newest(slots: ReadonlyMap<string, Slot>): [string, Slot] | undefined {
  let best: [string, Slot] | undefined;
  for (const [version, slot] of slots) {
    const better = !best || (isReady(slot) === isReady(best[1]) ? Number(version) > Number(best[0]) : isReady(slot));
    if (better) best = [version, slot];
  }
  return best;
}

function isReady({ state, model }: Slot): boolean {
  return state === 'READY' && model?.failure === undefined;
}

/** A version whose engines keep dying is loaded, and no use to anybody. */
function shownState(slot: Slot): ModelState {
  return isReady(slot) || slot.state !== 'READY' ? slot.state : 'UNAVAILABLE';
}

function ready(name: string, version: string, slot: Slot): Model {
  if (isReady(slot)) return slot.model!;
  const reason = slot.model?.failure ?? slot.reason;
  const what = `version ${version} is not at ready state: ${shownState(slot)}${reason && `, ${reason}`}`;
  throw notReady(name, what, slot.state);
}

function notReady(name: string, what: string, state: ModelState): ServingError {
  // A failed load does not mend itself, so there is no time after which to retry.
  const retry = state === 'UNAVAILABLE' ? {} : { retryAfterMs: 1000 };
  return new ServingError('MODEL_NOT_READY', `Request for model '${name}': ${what}`, retry);
}
