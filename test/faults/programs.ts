// Programs of the system that some faults are done with.

import { spawnSync } from 'node:child_process';

/** Why a fault is not tried: the first of these programs that is not installed. */
export function missingProgram(...names: readonly string[]): string | undefined {
  const missing = names.find((name) => spawnSync('which', [name]).status !== 0);
  return missing && `the program ${missing} is not installed`;
}
