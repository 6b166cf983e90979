// What is sent to the simulated server, and the one figure that a person with such a load would look at.

import type { Outcome } from './figures.ts';
import type { SimulatedModel, SimulatedRequest } from './policy.ts';

export type RandomNumber = () => number;

/** Times in milliseconds. */
type Arrival =
  /** Clients that send again when they have been answered and have paused for so long on average. */
  | { readonly kind: 'closed'; readonly clients: number; readonly pauseMs: number }
  /** Independent of the answers (Poisson). */
  | { readonly kind: 'open'; readonly perSecond: number }
  | { readonly kind: 'bursts'; readonly size: number; readonly everyMs: number; readonly withinMs: number }
  | { readonly kind: 'recorded'; readonly at: readonly number[] };

/** What a request is like, other than one row of one shape, without a deadline. */
export type Kind = Partial<Pick<SimulatedRequest, 'rows' | 'length' | 'shape' | 'priority' | 'poison'>> & {
  readonly deadlineMs?: number;
};

export interface Stream {
  readonly arrival: Arrival;
  /** Index of the model; the first one if left out. */
  readonly model?: number;
  /** @param index counts the requests of the stream (of the client, in a closed loop) */
  readonly kind?: (random: RandomNumber, index: number) => Kind;
}

export interface Merit {
  readonly name: string;
  readonly better: 'higher' | 'lower';
  readonly of: (outcome: Outcome) => number;
}

export interface Workload {
  readonly name: string;
  /** For the reader: what comes, and what a run costs. */
  readonly about: string;
  readonly seconds: number;
  readonly models: readonly SimulatedModel[];
  readonly cores: number;
  readonly streams: readonly Stream[];
  readonly merit: Merit;
}

/** Time to the next one of a Poisson process. */
export function exponential(random: RandomNumber, mean: number): number {
  return -mean * Math.log(1 - random());
}
