// The trace extension: every so many requests leave a line in the log that says when they came, waited, ran and were
// answered. What is traced can be changed while the server runs, for all models or for one.

/** TIMESTAMPS: when things happened; TENSORS: names, datatypes and shapes too, never elements. */
export type TraceLevel = 'TIMESTAMPS' | 'TENSORS';

export interface TraceSettings {
  /** Empty: nothing is traced. */
  readonly levels: readonly TraceLevel[];
  /** One request of so many. */
  readonly rate: number;
  /** So many requests at most; -1: no end. */
  readonly count: number;
}

const OFF: TraceSettings = { levels: [], rate: 1000, count: -1 };

interface Scope {
  /** What differs from the settings for all models. */
  readonly own: Partial<TraceSettings>;
  seen: number;
  left: number;
}

export class Tracing {
  #scopes = new Map<string | undefined, Scope>();

  /** @param model undefined: the settings for all models that have none of their own */
  settings(model?: string): TraceSettings {
    return {
      ...OFF,
      ...this.#scopes.get(undefined)?.own,
      ...(model === undefined ? {} : this.#scopes.get(model)?.own),
    };
  }

  /** @param change a member that is null goes back to what holds for all models, or to the default */
  update(
    model: string | undefined,
    change: { readonly [Name in keyof TraceSettings]?: TraceSettings[Name] | null },
  ): void {
    const merged = { ...this.#scopes.get(model)?.own, ...change };
    const set = Object.entries(merged).filter(([, value]) => value !== null && value !== undefined);
    const own = Object.fromEntries(set) as Partial<TraceSettings>;
    if (set.length === 0) this.#scopes.delete(model);
    else this.#scopes.set(model, { own, seen: 0, left: own.count ?? this.settings().count });
  }

  /** Counts a request. @returns what to trace of it; empty: nothing */
  sample(model: string): readonly TraceLevel[] {
    if (this.#scopes.size === 0) return OFF.levels;
    const { levels, rate } = this.settings(model);
    const scope = this.#scopes.get(model) ?? this.#scopes.get(undefined);
    if (levels.length === 0 || !scope || scope.left === 0 || scope.seen++ % rate !== 0) return OFF.levels;
    if (scope.left > 0) scope.left--;
    return levels;
  }
}
