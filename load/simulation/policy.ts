// What the simulation asks of a server's scheduler; Ortlet's and the others' are behind it.

export interface SimulatedRequest {
  readonly id: number;
  /** Index of the model. */
  readonly model: number;
  /** When it comes, in milliseconds since the beginning. */
  readonly at: number;
  readonly rows: number;
  /** Size of the dimension that may be padded; 1 where there is none. */
  readonly length: number;
  /** Requests of different shapes cannot share a run. */
  readonly shape: string;
  /** When it must be answered; infinite: no deadline was given. */
  readonly deadlineAt: number;
  /** 1 is the most urgent. */
  readonly priority: number;
  /** Any run fails that it is part of. */
  readonly poison: boolean;
}

export interface SimulatedModel {
  /** Time of a run in milliseconds, without noise. @param work rows times the longest length */
  readonly costMs: (work: number) => number;
  /** Rows of one run at most, for every policy. */
  readonly maxBatchSize: number;
  /** Longest request. */
  readonly maxLength: number;
}

export interface Host {
  readonly models: readonly SimulatedModel[];
  readonly cores: number;
  /** Virtual time in milliseconds. */
  readonly now: () => number;
  /** Asks the scheduler of a model again whether it has something to run. */
  readonly pump: (model: number) => void;
}

/** A batch that starts now, or when to ask again. */
export type Decision =
  | { readonly requests: readonly SimulatedRequest[]; readonly waitUntil?: undefined }
  | { readonly waitUntil: number };

/** The scheduler of one model, which has one engine. */
export interface SimulatedPolicy {
  /** @returns whether it was let in */
  arrived(request: SimulatedRequest): boolean;
  /** Called when the engine is free. @param drop to be called with those that are given up */
  next(drop: (request: SimulatedRequest) => void): Decision | undefined;
  /** @returns those that are answered with the error when the run has failed; the others run again */
  ended(requests: readonly SimulatedRequest[], ms: number, failed: boolean): readonly SimulatedRequest[];
  /** The deadline of a request has passed. @returns whether it was given up just now */
  expired?(request: SimulatedRequest): boolean;
}

export interface PolicyKind {
  readonly name: string;
  /** Its rule and settings, for the reader. */
  readonly rule: string;
  /** @returns one scheduler for each model */
  create(host: Host): SimulatedPolicy[];
}
