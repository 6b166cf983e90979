// Memory that the server and one engine share, for the data of large tensors: a socket takes a megabyte in a dozen pieces, with
// a wake-up on either side for each. It is a file without a name, which Linux keeps in memory, and goes with the last of both.
//
//   one side   writes the data · sends the frame without it ──▶   other side   reads the data at once · goes on

import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync, unlinkSync, writevSync } from 'node:fs';
import { invariant } from '../errors.ts';

const FOLDER = '/dev/shm';
/** Smaller data is sent at once as well. */
const LEAST_BYTES = 128 * 1024;
/** Copying more would keep the event loop from everything else; it is never given back, either. */
const MOST_BYTES = 4 * 1024 * 1024;

export class SharedMemory {
  readonly descriptor: number;

  private constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /** For an engine to inherit; undefined where the system has none to give. */
  static create(): SharedMemory | undefined {
    const path = `${FOLDER}/ortlet-${randomUUID()}`;
    try {
      const descriptor = openSync(path, 'wx+', 0o600);
      unlinkSync(path);
      return new SharedMemory(descriptor);
    } catch {
      return undefined;
    }
  }

  /** As an engine has it; undefined where it got none under this descriptor. */
  static inherited(descriptor: number): SharedMemory | undefined {
    return fstatSync(descriptor).isFile() ? new SharedMemory(descriptor) : undefined;
  }

  /** Whether so much data is better put there than sent. */
  suits(bytes: number): boolean {
    return bytes >= LEAST_BYTES && bytes <= MOST_BYTES;
  }

  /** Puts data there in place of what was. @param bytes of all blocks together @returns false where there is no room */
  write(blocks: readonly Uint8Array[], bytes: number): boolean {
    try {
      return writevSync(this.descriptor, blocks, 0) === bytes;
    } catch {
      return false;
    }
  }

  /** The data that was written last. */
  read(bytes: number): Uint8Array<ArrayBuffer> {
    invariant(this.suits(bytes), 'shared data of an unsuitable size');
    const data = new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
    invariant(readSync(this.descriptor, data, 0, bytes, 0) === bytes, 'shared data that is not there');
    return data;
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
