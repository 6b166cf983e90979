// Who must not share a run with others: what is left of a failed run, and inputs that have failed before.

import type { ServingError } from '../errors.ts';
import { harmful } from './answers.ts';
import { Offenders } from './offenders.ts';
import type { Entry } from './queue-entry.ts';
import { type Recovery, recover } from './recovery.ts';

export class Isolation {
  readonly #offenders = new Offenders();
  #count = 0;

  /** Sets a new request apart where its inputs were refused before. @throws ServingError ENGINE_FAILED where they have killed engines */
  admit(entry: Entry): void {
    const offence = this.#offenders.offenceOf(entry.inputs);
    if (offence === 'killed') throw harmful();
    if (offence === 'refused') this.#isolate([entry]);
  }

  /** Remembers the guilty of a failed run, and sets those that run again apart, part by part. */
  recover(entries: readonly Entry[], { code }: ServingError): Recovery<Entry> {
    const recovery = recover(entries, code);
    for (const { inputs } of recovery.guilty) {
      if (code === 'ENGINE_FAILED') this.#offenders.remember(inputs, 'killed');
      if (code === 'INFERENCE_FAILED') this.#offenders.remember(inputs, 'refused');
    }
    for (const part of recovery.retries) this.#isolate(part);
    return recovery;
  }

  /** These run together and with nobody else. */
  #isolate(entries: readonly Entry[]): void {
    const key = `retry ${++this.#count}`;
    for (const entry of entries) Object.assign(entry, { key, family: key, retry: true });
  }
}
