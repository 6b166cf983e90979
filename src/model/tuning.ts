// How a model runs best on this machine: with which plan of engines, and how long runs take then. Measured when it is
// loaded, or read from the profile that `ortlet tune` has written.
//
//   instances: 2      ─▶ that plan ─────────────────────────────────────────────┐
//   instances: auto   ─▶ a profile's plan, or each plan in turn, and the best ──┴─▶ engines ─▶ proof of batching ─▶ curve

import { type BatchCurvePoint, CostModel } from '../batching/cost-model.ts';
import type { ModelSettings } from '../config/schema.ts';
import { type CpuLimits, coresOf, planThreads } from '../execution/cpu-plan.ts';
import type { EngineObserver, EnginePool } from '../execution/engine-pool.ts';
import type { NamedTensors } from '../tensor/tensor.ts';
import { calibrate } from './calibration.ts';
import { candidatePlans, choosePlan, type EnginePlan, type PlanTrial } from './engine-plan.ts';
import { tryPlan } from './plan-trial.ts';
import type { Profile } from './profile.ts';

/** What was decided, and the evidence. */
export interface Tuning {
  readonly instances: number;
  readonly threads: { readonly count: number; readonly reason: string };
  readonly curve: readonly BatchCurvePoint[];
  /** Smallest number of rows measured at which a row costs at most 5 % more than at the best one; 1 where none was. */
  readonly knee: number;
  /** Every plan that was tried; empty where the configuration or a single core decides. */
  readonly trials: readonly PlanTrial[];
  readonly source: 'measured at load' | 'profile';
}

export interface TuningBudget {
  /** Time for the curve, in milliseconds. */
  readonly calibrationMs: number;
  /** Time for each plan. */
  readonly trialMs: number;
}

/** What a load spends, so that a start stays quick. */
export const LOAD_BUDGET: TuningBudget = { calibrationMs: 150, trialMs: 300 };

/** The plan to begin with. */
export function firstPlan(settings: ModelSettings, limits: CpuLimits, profile: Profile | undefined) {
  const { instances, threads } = settings;
  const source = profile && instances === 'auto' ? profile : undefined;
  const count = source?.instances ?? (instances === 'auto' ? 1 : instances);
  const planned = planThreads(limits, count);
  const set = threads === 'auto' ? undefined : { count: threads, reason: 'set by configuration' };
  const found = source && { count: source.threads, reason: 'as the profile says' };
  return { instances: count, threads: set ?? found ?? { count: planned.threads, reason: planned.reason } };
}

export interface TuningParts {
  readonly settings: ModelSettings;
  readonly limits: CpuLimits;
  readonly profile: Profile | undefined;
  readonly budget: TuningBudget;
  /** The engines of the first plan. */
  readonly executor: EnginePool;
  /** One row that the model has run; undefined: nothing can be measured. */
  readonly sample: NamedTensors | undefined;
  readonly batchable: boolean;
  /** @param observer undefined: nobody needs to know of these */
  start(plan: EnginePlan, observed: boolean): Promise<EnginePool>;
}

/** @returns the engines to serve with; those of the first plan are closed where another one is better */
export async function tune(parts: TuningParts): Promise<{ executor: EnginePool; tuning: Tuning }> {
  const { settings, limits, profile, sample, batchable, budget, executor } = parts;
  const first = firstPlan(settings, limits, profile);
  const usesProfile = profile?.instances === first.instances && profile.threads === first.threads.count;
  const found = usesProfile ? profile : undefined;
  const most = batchable ? settings.maxBatchSize : 1;
  const measure = (pool: EnginePool) =>
    calibrate(pool, sample!, { maxBatchSize: most, budgetMs: budget.calibrationMs, now });
  const curve = found?.curve ?? (sample ? await measure(executor) : []);
  const knee = kneeOf(curve, most);
  const decided = {
    ...first,
    curve,
    knee,
    trials: found?.trials ?? [],
    source: found ? 'profile' : 'measured at load',
  } as const;
  const plans = candidatePlans(coresOf(limits));
  const open = settings.instances === 'auto' && settings.threads === 'auto' && plans.length > 1;
  if (!open || found || !sample || curve.length === 0) return { executor, tuning: decided };

  const trials: PlanTrial[] = [];
  for (const plan of plans) {
    const own = plan.instances === first.instances;
    const trial = await tryWith(own ? async () => executor : () => parts.start(plan, false), !own, (pool) =>
      tryPlan(pool, { ...plan, sample, rows: knee, budgetMs: budget.trialMs, now }),
    );
    if (trial) trials.push(trial);
  }
  if (trials.length === 0) return { executor, tuning: decided };
  const { instances, threads } = choosePlan(trials);
  const reason = `the best of ${trials.length} plans tried, or at most 5 % slower with fewer engines`;
  const chosen = { instances, threads: { count: threads, reason }, trials, source: 'measured at load' } as const;
  if (instances === first.instances) return { executor, tuning: { ...chosen, curve, knee } };
  const better = await parts.start({ instances, threads }, true);
  // An engine that is still loading would take time from the runs that are measured; one that fails is started again.
  await better.complete().catch(() => {});
  const ownCurve = await measure(better);
  await executor.close();
  return { executor: better, tuning: { ...chosen, curve: ownCurve, knee: kneeOf(ownCurve, most) } };
}

/** No more rows than were measured: a size that was never run may take any time. */
function kneeOf(curve: readonly BatchCurvePoint[], most: number): number {
  return Math.min(new CostModel(curve).limit(most), curve.at(-1)?.rows ?? 1);
}

/** A plan that does not come up, or fails, is no candidate. */
async function tryWith(
  start: () => Promise<EnginePool>,
  closes: boolean,
  work: (pool: EnginePool) => Promise<PlanTrial>,
): Promise<PlanTrial | undefined> {
  let pool: EnginePool | undefined;
  try {
    pool = await start();
    await pool.complete();
    return await work(pool);
  } catch {
    return undefined;
  } finally {
    if (closes) await pool?.close();
  }
}

const now = () => performance.now();

/** For engines that only serve to be measured. */
export const UNOBSERVED: EngineObserver = {
  engineStarted() {},
  engineExited() {},
  engineRecycled() {},
  engineLog() {},
  enginesChanged() {},
};
