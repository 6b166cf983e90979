// Ends a run that takes too long, and tells apart whose doing it was: a run that computes to the end is too long by itself,
// one whose engine has not computed for half its time met an engine that hung, and may do better in another.

import { readFileSync } from 'node:fs';

/** Computing less than this share of the time is hanging. */
const HUNG_BELOW = 0.05;
/** Linux counts the time of processes in hundredths of a second, whatever the kernel's own clock. */
const TICK_MS = 10;

export class RunLimit {
  /** Why the engine was killed. */
  reached: 'hung' | 'ran too long' | undefined;
  readonly #engine: { readonly pid: number | undefined; kill(): void };
  readonly #halfMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(engine: { readonly pid: number | undefined; kill(): void }, limitMs: number) {
    this.#engine = engine;
    this.#halfMs = limitMs / 2;
  }

  /** A run begins, after the end of the one before. */
  begin(): void {
    this.#timer = setTimeout(() => {
      const cpuMs = cpuMsOf(this.#engine.pid);
      this.#timer = setTimeout(() => this.#end(cpuMs), this.#halfMs);
    }, this.#halfMs);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #end(cpuMsBefore: number | undefined): void {
    const cpuMs = cpuMsOf(this.#engine.pid);
    const hung = cpuMs !== undefined && cpuMs - (cpuMsBefore ?? 0) < HUNG_BELOW * this.#halfMs;
    this.reached = hung ? 'hung' : 'ran too long';
    this.#engine.kill();
  }
}

/** Time that all threads of a process have computed, in milliseconds; undefined where there is no /proc, or no process. */
function cpuMsOf(pid: number | undefined): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before them, in brackets, may hold spaces; the 14th and 15th fields are user and system time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return TICK_MS * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return undefined;
  }
}
