// How many engines of how many threads: which plans fit the cores, and which of those that were tried is best. Pure.

export interface EnginePlan {
  /** Engine processes. */
  readonly instances: number;
  /** Threads of each. */
  readonly threads: number;
}

/** A plan as it did here, with every engine busy. */
export interface PlanTrial extends EnginePlan {
  readonly rowsPerSecond: number;
}

/** Each engine holds the weights again: a plan with more of them must be so much faster. */
const LEAST_GAIN = 0.05;

/** From one engine with all cores to one core each, doubling; nearly all cores are used by each plan. */
export function candidatePlans(cores: number): EnginePlan[] {
  const plans: EnginePlan[] = [];
  for (let instances = 1; instances <= cores; instances *= 2) {
    plans.push({ instances, threads: Math.floor(cores / instances) });
  }
  return plans;
}

/** The fastest, or one with fewer engines that is at most 5 % slower. @param trials at least one */
export function choosePlan(trials: readonly PlanTrial[]): PlanTrial {
  const best = Math.max(...trials.map(({ rowsPerSecond }) => rowsPerSecond));
  return trials
    .toSorted((a, b) => a.instances - b.instances)
    .find(({ rowsPerSecond }) => rowsPerSecond >= (1 - LEAST_GAIN) * best)!;
}
