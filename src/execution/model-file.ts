// The file of a loaded model, held open. An engine that is started later, because another one died or held too much, must
// get the model that the first one got, though its file may have been deleted, replaced or written over meanwhile.

import { closeSync, fstatSync, openSync, type Stats, statSync } from 'node:fs';
import { ServingError } from '../errors.ts';

/** The descriptor under which an engine has it. */
const MODEL_DESCRIPTOR = 4;

export class ModelFile {
  /** What the runtime is to open. */
  readonly path: string;
  readonly #file: number;
  readonly #look: () => Stats | undefined;
  readonly #loaded: string;

  /** @param alone whether the model has no tensors in other files, which the runtime looks for beside it */
  constructor(path: string, alone: boolean) {
    this.#file = openSync(path, 'r');
    const held = alone && process.platform === 'linux';
    this.path = held ? `/proc/self/fd/${MODEL_DESCRIPTOR}` : path;
    this.#look = () => (held ? fstatSync(this.#file) : statSync(path, { throwIfNoEntry: false }));
    this.#loaded = identityOf(this.#look());
  }

  /**
   * For an engine that is being started.
   * @throws ServingError MODEL_LOAD_FAILED when the file is no longer what was loaded
   */
  get descriptor(): number {
    if (identityOf(this.#look()) === this.#loaded) return this.#file;
    throw new ServingError('MODEL_LOAD_FAILED', 'its file is no longer the one that was loaded: load the model again');
  }

  close(): void {
    closeSync(this.#file);
  }
}

function identityOf(entry: Stats | undefined): string {
  return `${entry?.dev} ${entry?.ino} ${entry?.size} ${entry?.mtimeMs}`;
}
