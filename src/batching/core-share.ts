// The cores are shared between models by measured time: when they are all taken, the model that has used least of them
// goes next, so that one model's flood does not starve the others (fair queueing). Pure but for calling those who may go.
//
// A run in progress cannot be stopped. A run that would be over long before it starts beside it, and the operating system
// shares the cores; any other waits for its turn and then has the cores to itself, which is no later in the end.

export interface CoreUser {
  /** Threads of one of its runs; 0: it runs elsewhere (on a GPU). */
  readonly threads: number;
  /** Whether it has a batch to send and an engine to take it. */
  wantsToStart(): boolean;
  /** Called when it may be its turn; it asks `startsAt` before each run. */
  start(): void;
}

/** A run that is counted. */
export interface CoreRun {
  /** Whether it had, at any time so far, to share its cores with runs of other users. */
  readonly crowded: boolean;
  /** To be called when it has ended; calls those who may start then, the one that has used least first. */
  end(): void;
}

class Run implements CoreRun {
  readonly user: CoreUser;
  readonly startedAt: number;
  readonly endsAt: number;
  readonly #onEnd: (run: Run) => void;
  crowded = false;

  constructor(user: CoreUser, startedAt: number, endsAt: number, onEnd: (run: Run) => void) {
    this.user = user;
    this.startedAt = startedAt;
    this.endsAt = endsAt;
    this.#onEnd = onEnd;
  }

  end(): void {
    this.#onEnd(this);
  }
}

/** Runs shorter than this never wait, in milliseconds. */
const SHORT_RUN_MS = 2;

export class CoreShare {
  readonly #cores: number;
  readonly #now: () => number;
  /** Core-milliseconds that each user has had. */
  #used = new Map<CoreUser, number>();
  #active = new Set<CoreUser>();
  #runs: Run[] = [];

  /** @param cores CPUs that the engines may use together @param now monotonic clock in milliseconds */
  constructor(cores: number, now: () => number) {
    this.#cores = cores;
    this.#now = now;
  }

  join(user: CoreUser): void {
    this.#used.set(user, 0);
  }

  leave(user: CoreUser): void {
    this.#used.delete(user);
    this.#active.delete(user);
  }

  /**
   * Whether a user must wait with a run.
   * @param predictedMs time of the run with its cores to itself
   * @returns undefined: it may start at once; an instant: by then, and when a run of another user ends
   */
  startsAt(user: CoreUser, predictedMs: number): number | undefined {
    if (user.threads === 0 || predictedMs < SHORT_RUN_MS) return undefined;
    const now = this.#now();
    let busy = user.threads;
    let startsAt = Number.POSITIVE_INFINITY;
    for (const run of this.#runs) {
      busy += run.user.threads;
      if (run.user === user || run.user.threads === 0) continue;
      // Not waited for: a run that has taken twice its time, or has longer to go than the new one needs.
      const stays = run.endsAt - now <= predictedMs;
      startsAt = Math.min(startsAt, stays ? run.endsAt + (run.endsAt - run.startedAt) : now);
    }
    return busy > this.#cores && startsAt > now && Number.isFinite(startsAt) ? startsAt : undefined;
  }

  /** Counts a run from now on. @param predictedMs its time with its cores to itself */
  started(user: CoreUser, predictedMs: number): CoreRun {
    this.#activate(user);
    const startedAt = this.#now();
    const run = new Run(user, startedAt, startedAt + predictedMs, this.#ended);
    this.#runs.push(run);
    if (this.#runs.length > 1) this.#noteCrowd(user);
    return run;
  }

  #noteCrowd(user: CoreUser): void {
    let [busy, others] = [0, 0];
    for (const run of this.#runs) {
      busy += run.user.threads;
      if (run.user !== user) others += run.user.threads;
    }
    if (others === 0 || user.threads === 0 || busy <= this.#cores) return;
    for (const run of this.#runs) if (run.user.threads > 0) run.crowded = true;
  }

  #ended = (run: Run): void => {
    const { user, startedAt } = run;
    this.#runs.splice(this.#runs.indexOf(run), 1);
    const used = this.#used.get(user);
    if (used !== undefined) this.#used.set(user, used + (this.#now() - startedAt) * user.threads);
    if (!user.wantsToStart() && !this.#runs.some((other) => other.user === user)) this.#active.delete(user);
    this.#startNext();
  };

  /** Time in which a user wanted nothing is not saved up: it comes back with as much as the least of the others has. */
  #activate(user: CoreUser): void {
    if (this.#active.has(user)) return;
    const least = Math.min(...[...this.#active].map((other) => this.#used.get(other)!));
    if (Number.isFinite(least)) this.#used.set(user, Math.max(this.#used.get(user) ?? 0, least));
    this.#active.add(user);
  }

  #startNext(): void {
    if (this.#used.size === 1) {
      // The usual case, spared the sorting: a model alone.
      for (const user of this.#used.keys()) if (user.wantsToStart()) user.start();
      return;
    }
    const waiting = [...this.#used].filter(([user]) => user.wantsToStart());
    for (const [user] of waiting.sort(([, a], [, b]) => a - b)) user.start();
  }
}
