// Inputs that have failed before, so that they do no harm twice: what the model refused runs apart from others the next
// time, and what killed its engines is not run again while this version is loaded.

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { NumericArray } from '../tensor/datatype.ts';
import type { NamedTensors, Tensor } from '../tensor/tensor.ts';
import { rawBytes } from '../tensor/tensor.ts';

export type Offence = 'refused' | 'killed';

/** The oldest are forgotten beyond so many. */
const MOST_OFFENDERS = 1000;
/** Elements at either end of a tensor that tell nearly all inputs apart. */
const EDGE = 64;

export class Offenders {
  /** By digest, oldest first; beside each the fingerprint of the same inputs. */
  #offences = new Map<string, { readonly offence: Offence; readonly fingerprint: number }>();
  #fingerprints = new Set<number>();

  /**
   * What these inputs have done. Whole inputs are only read where their edges are those of an offender: one refused
   * request must not cost all that follow it a digest of megabytes.
   */
  offenceOf(inputs: NamedTensors): Offence | undefined {
    if (this.#offences.size === 0 || !this.#fingerprints.has(fingerprintOf(inputs))) return undefined;
    return this.#offences.get(digestOf(inputs))?.offence;
  }

  remember(inputs: NamedTensors, offence: Offence): void {
    const key = digestOf(inputs);
    this.#offences.delete(key);
    this.#offences.set(key, { offence, fingerprint: fingerprintOf(inputs) });
    if (this.#offences.size > MOST_OFFENDERS) this.#offences.delete(this.#offences.keys().next().value!);
    this.#fingerprints = new Set(Array.from(this.#offences.values(), ({ fingerprint }) => fingerprint));
  }
}

function fingerprintOf(inputs: NamedTensors): number {
  let sum = 0;
  for (const { shape, data } of inputs.values()) {
    sum = crc32(`${shape} ${data.length}`, sum);
    sum = crc32(bytesOf(data.slice(0, EDGE)), sum);
    sum = crc32(bytesOf(data.slice(-EDGE)), sum);
  }
  return sum;
}

function digestOf(inputs: NamedTensors): string {
  const hash = createHash('sha256');
  for (const [name, { datatype, shape, data }] of inputs) {
    hash.update(JSON.stringify([name, datatype, shape]));
    hash.update(bytesOf(data));
  }
  return hash.digest('base64');
}

function bytesOf(data: Tensor['data']): string | Uint8Array {
  return Array.isArray(data) ? JSON.stringify(data) : rawBytes(data as NumericArray);
}
