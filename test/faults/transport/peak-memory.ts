// The most resident memory that a process has had since it was last asked.

import { readFileSync, writeFileSync } from 'node:fs';

export class PeakMemory {
  #pid: number;
  #restBytes: number;

  /** The memory that it has now is what peaks are measured from. */
  constructor(pid: number) {
    this.#pid = pid;
    this.#restBytes = this.#read('VmRSS');
  }

  /** Peaks from now on count. */
  reset(): void {
    writeFileSync(`/proc/${this.#pid}/clear_refs`, '5');
  }

  /** How far the peak is above the memory at rest, in bytes. */
  get growth(): number {
    return Math.max(0, this.#read('VmHWM') - this.#restBytes);
  }

  #read(name: string): number {
    const status = readFileSync(`/proc/${this.#pid}/status`, 'utf8');
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)![1]) * 1024;
  }
}
