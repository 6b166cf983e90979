// When a server is ready: a rule over the state of its models.

import { type IndexEntry, isRetired } from './version-state.ts';

/** Every model, any one of them, or those named. */
export type ReadyRule = 'all' | 'any' | readonly string[];

/**
 * Why the server is not ready, or undefined.
 * @param entries one for each version
 * @param started whether every model has been tried
 */
export function unready(rule: ReadyRule, entries: readonly IndexEntry[], started: boolean): string | undefined {
  if (rule === 'all') return started ? firstDown(entries) : 'its models are still loading.';
  if (rule !== 'any') return rule.map((name) => missing(name, entries, started)).find((reason) => reason !== undefined);
  if (entries.some(({ state }) => state === 'READY')) return undefined;
  return started ? 'none of its models is ready.' : 'its models are still loading.';
}

/** The first version that should serve and does not; those retired on purpose do not count. */
function firstDown(entries: readonly IndexEntry[]): string | undefined {
  const down = entries.find((entry) => entry.state !== 'READY' && !isRetired(entry));
  return down && describe(down);
}

/** A model that must be ready needs one version that is. */
function missing(name: string, entries: readonly IndexEntry[], started: boolean): string | undefined {
  const versions = entries.filter((entry) => entry.name === name);
  if (versions.some(({ state }) => state === 'READY')) return undefined;
  const [first] = versions;
  if (first) return describe(first);
  return started ? `there is no model '${name}'.` : `model '${name}' is not loaded yet.`;
}

function describe({ name, version, state, reason }: IndexEntry): string {
  return `model '${name}' version ${version} is ${state}${reason && `: ${reason}`}`;
}
