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
  /** Of the run in progress; instant in milliseconds. */
  #begunAt: number | undefined;
  /** What the engine had computed at half of the run's time, once it has come. */
  #halfway: { readonly cpuMs: number | undefined } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(engine: { readonly pid: number | undefined; kill(): void }, limitMs: number) {
    this.#engine = engine;
    this.#halfMs = limitMs / 2;
  }

  /** A run begins, after the end of the one before. @param now instant in milliseconds */
  begin(now: number): void {
    this.#begunAt = now;
    this.#halfway = undefined;
    if (!this.#timer) this.#lookIn(this.#halfMs);
  }

  end(): void {
    this.#begunAt = undefined;
  }

  /** The engine has gone. The timer that has been cleared stays, so that no run sets another. */
  close(): void {
    clearTimeout(this.#timer);
  }

  /** Most runs are over long before: the timer is not touched by them, and looks at the one that is there when it fires. */
  #lookIn(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.ceil(ms)).unref();
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#begunAt === undefined) return;
    const left = this.#begunAt + (this.#halfway ? 2 : 1) * this.#halfMs - performance.now();
    if (left > 0) {
      this.#lookIn(left);
      return;
    }
    const cpuMs = cpuMsOf(this.#engine.pid);
    if (!this.#halfway) {
      this.#halfway = { cpuMs };
      this.#lookIn(this.#halfMs);
      return;
    }
    const hung = cpuMs !== undefined && cpuMs - (this.#halfway.cpuMs ?? 0) < HUNG_BELOW * this.#halfMs;
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
