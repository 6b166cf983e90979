// The cores of the simulated machine. Runs that want more of them than there are share them evenly, as the operating
// system does.

import type { VirtualClock } from './clock.ts';

interface Run {
  leftMs: number;
  readonly ended: () => void;
}

export class Machine {
  readonly #clock: VirtualClock;
  readonly #cores: number;
  #runs = new Set<Run>();
  #countedAt = 0;
  #version = 0;

  constructor(clock: VirtualClock, cores: number) {
    this.#clock = clock;
    this.#cores = cores;
  }

  /** @param ms how long the run takes with a core to itself */
  start(ms: number, ended: () => void): void {
    this.#count();
    this.#runs.add({ leftMs: ms, ended });
    this.#expectNext();
  }

  get #speed(): number {
    return Math.min(1, this.#cores / this.#runs.size);
  }

  #count(): void {
    const now = this.#clock.now();
    for (const run of this.#runs) run.leftMs -= (now - this.#countedAt) * this.#speed;
    this.#countedAt = now;
  }

  #expectNext(): void {
    const version = ++this.#version;
    let next: Run | undefined;
    for (const run of this.#runs) if (!next || run.leftMs < next.leftMs) next = run;
    if (!next) return;
    const run = next;
    this.#clock.schedule(this.#clock.now() + run.leftMs / this.#speed, () => {
      if (version !== this.#version) return;
      this.#count();
      this.#runs.delete(run);
      this.#expectNext();
      run.ended();
    });
  }
}
