// A fault is something that goes wrong, done on purpose to a running server, and what must hold meanwhile.

/** Short ones are over in seconds and part of `npm test`; full ones give the figures that are published. */
type Length = 'short' | 'full';

export interface Fault {
  /** Its name on the command line, with dashes. */
  readonly name: string;
  /** Whether `npm run fuzz` or `npm run chaos` does it. */
  readonly kind: 'fuzz' | 'chaos';
  /** What is done, and what must hold: one sentence without a full stop. */
  readonly promise: string;
  /** Why it cannot be done here, such as a program that is not installed; else nothing. */
  unavailable?(): string | undefined;
  /** @throws what is broken in the trial itself, not in the server: that is a failure of the outcome */
  run(trial: Trial): Promise<Outcome>;
}

export interface Trial {
  readonly length: Length;
  /** Everything drawn at random comes from this number. */
  readonly seed: number;
  /** For the progress bar; may be called as often as wanted. */
  progress(done: number, total: number): void;
}

export interface Outcome {
  /** How often it was tried. */
  readonly cases: number;
  /** How often something that must hold did not. */
  readonly failures: number;
  /** The worst figure seen beside its limit, for people: `p99 4.1 ms (limit 10 ms)`. */
  readonly worst: string;
  /** The first few failures, each a sentence. */
  readonly examples?: readonly string[];
  /** More figures by name, for programs. */
  readonly figures?: Readonly<Record<string, number>>;
}

/** A threat or a fault that the published table has a row for. */
export interface Row {
  /** A letter for what is concerned, and a number. */
  readonly id: string;
  readonly threat: string;
  /** What the server does about it. */
  readonly behaviour: string;
  /** What shows it by a running server; each runs once, however many rows name it. */
  readonly faults?: readonly Fault[];
  /** Tests that show it, `file: the beginning of the test's sentence`. */
  readonly tests?: readonly string[];
  /** Why there is nothing to show. */
  readonly absent?: string;
}

/** Counts cases and keeps the first few failures. */
export class Tally {
  cases = 0;
  failures = 0;
  readonly examples: string[] = [];

  /** @param failure what did not hold, if anything */
  count(failure?: string): void {
    this.cases++;
    if (failure === undefined) return;
    this.failures++;
    if (this.examples.length < MOST_EXAMPLES) this.examples.push(failure);
  }

  /** The outcome with the worst figure, and more. */
  outcome(worst: string, figures: Readonly<Record<string, number>> = {}): Outcome {
    const { cases, failures, examples } = this;
    return { cases, failures, worst, examples, figures };
  }
}

const MOST_EXAMPLES = 5;
