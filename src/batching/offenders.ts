// Inputs that have failed before, so that they do no harm twice: what the model refused runs apart from others the next
// time, and what killed its engines is not run again while this version is loaded.

import { createHash } from 'node:crypto';
import type { NumericArray } from '../tensor/datatype.ts';
import type { NamedTensors } from '../tensor/tensor.ts';
import { rawBytes } from '../tensor/tensor.ts';

export type Offence = 'refused' | 'killed';

/** The oldest are forgotten beyond so many. */
const MOST_OFFENDERS = 1000;

export class Offenders {
  #offences = new Map<string, Offence>();

  /** What these inputs have done; costs nothing while there are no offenders. */
  offenceOf(inputs: NamedTensors): Offence | undefined {
    return this.#offences.size === 0 ? undefined : this.#offences.get(digest(inputs));
  }

  remember(inputs: NamedTensors, offence: Offence): void {
    const key = digest(inputs);
    this.#offences.delete(key);
    this.#offences.set(key, offence);
    if (this.#offences.size > MOST_OFFENDERS) this.#offences.delete(this.#offences.keys().next().value!);
  }
}

function digest(inputs: NamedTensors): string {
  const hash = createHash('sha256');
  for (const [name, { datatype, shape, data }] of inputs) {
    hash.update(JSON.stringify([name, datatype, shape]));
    hash.update(Array.isArray(data) ? JSON.stringify(data) : rawBytes(data as NumericArray));
  }
  return hash.digest('base64');
}
