// Follows the folder of models: what is new or changed there is loaded, what has gone is unloaded. A model is touched only
// when it has looked the same twice in a row, so that a file still being copied is left alone.
//
//   look 1: a = v1     look 2: a = v2     look 3: a = v2  ──▶ load a

/** What a model's files look like, by name; any change in them changes the text. */
export type Fingerprints = ReadonlyMap<string, string>;

export interface PollActions {
  load(name: string): Promise<void>;
  unload(name: string): Promise<void>;
}

export class Poller {
  readonly #actions: PollActions;
  /** As it was when it was loaded. */
  #acted: Map<string, string>;
  #seen: Fingerprints;

  /** @param loaded what the models looked like when they were loaded */
  constructor(loaded: Fingerprints, actions: PollActions) {
    this.#acted = new Map(loaded);
    this.#seen = loaded;
    this.#actions = actions;
  }

  /** Acts on what has settled since the last look; one look after the other. A load that fails is not tried again as it is. */
  async look(now: Fingerprints): Promise<void> {
    const before = this.#seen;
    this.#seen = now;
    const changed = [...now].filter(([name, print]) => print === before.get(name) && print !== this.#acted.get(name));
    const gone = [...this.#acted.keys()].filter((name) => !now.has(name) && !before.has(name));
    for (const [name, print] of changed) this.#acted.set(name, print);
    for (const name of gone) this.#acted.delete(name);
    await Promise.allSettled([
      ...changed.map(([name]) => this.#actions.load(name)),
      ...gone.map((name) => this.#actions.unload(name)),
    ]);
  }
}
