// What an engine may hold, and what is done about more. A runtime's arena grows with the largest run it has seen and gives
// nothing back while the process lives, so the cure is a fresh engine.

import { readFileSync } from 'node:fs';

/** How often engines are looked at, in milliseconds. */
export const LOOK_EVERY_MS = 500;
/** Times the budget: more than this, and a run is not waited for. */
const KILL_FACTOR = 1.5;
const PAGE_BYTES = 4096;

/** `replace`: a fresh engine takes over, and this one ends when it is idle. `kill`: at once; its runs are tried again. */
export type MemoryVerdict = 'keep' | 'replace' | 'kill';

/**
 * @param residentBytes undefined where it cannot be told
 * @param budgetBytes undefined: as much as it likes
 * @param runMs how long the run has taken that is going on; 0: it is idle
 */
export function judgeMemory(
  residentBytes: number | undefined,
  budgetBytes: number | undefined,
  runMs: number,
): MemoryVerdict {
  if (residentBytes === undefined || budgetBytes === undefined || residentBytes <= budgetBytes) return 'keep';
  // Whatever a short run holds, its engine is replaced after it; only one that goes on may go on growing.
  return runMs >= LOOK_EVERY_MS && residentBytes > KILL_FACTOR * budgetBytes ? 'kill' : 'replace';
}

/** Memory of a process that is resident, shared libraries included; undefined where there is no /proc, or no process. */
export function residentBytesOf(pid: number | undefined): number | undefined {
  try {
    return PAGE_BYTES * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
  } catch {
    return undefined;
  }
}

/** For people. */
export function mebibytes(bytes: number | undefined): string {
  return `${Math.round((bytes ?? 0) / 2 ** 20)} MiB`;
}
