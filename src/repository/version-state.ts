// The states of a version, and what the repository index says of one.

export const MODEL_STATES = ['LOADING', 'READY', 'UNLOADING', 'UNAVAILABLE'] as const;
export type ModelState = (typeof MODEL_STATES)[number];

export interface IndexEntry {
  readonly name: string;
  readonly version: string;
  readonly state: ModelState;
  readonly reason: string;
}

const RETIRED = ['unloaded', 'not picked by the version policy'];

/** Whether a version is down, or on its way there, because somebody wanted it so. */
export function isRetired({ reason }: Pick<IndexEntry, 'reason'>): boolean {
  return RETIRED.includes(reason);
}
