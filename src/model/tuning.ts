// How a model runs best on this machine: with which plan of engines, and how long runs take then. Measured when it is
// loaded, or read from the profile that `ortlet tune` has written.
//
//   instances: 2      ─▶ one thread each where that is enough, or all the cores ─┐
//   instances: auto   ─▶ a profile's plan, or each plan in turn, and the best ───┴─▶ engines ─▶ proof of batching ─▶ curve

import { type BatchCurvePoint, CostModel } from '../batching/cost-model.ts';
import type { ModelSettings } from '../config/schema.ts';
import { type CpuLimits, coresOf, planThreads } from '../execution/cpu-plan.ts';
import type { EngineObserver, EnginePool } from '../execution/engine-pool.ts';
import type { NamedTensors } from '../tensor/tensor.ts';
import { calibrate } from './calibration.ts';
import {
  candidatePlans,
  choosePlan,
  type EnginePlan,
  type FirstPlan,
  needsOneThread,
  type PlanTrial,
  type ThreadChoice,
} from './engine-plan.ts';
import { tryPlan } from './plan-trial.ts';
import type { Profile } from './profile.ts';

/** What was decided, and the evidence. */
export interface Tuning {
  readonly instances: number;
  readonly threads: ThreadChoice;
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

/** A larger file, which takes time to load, is not loaded on one thread only to see whether that is enough. */
const SMALL_FILE_BYTES = 16 * 1024 ** 2;

/** The plan to begin with: a profile's, or what the settings and the cores say. @param fileBytes of the model's weights */
export function firstPlan(
  { instances, threads, executionProviders }: ModelSettings,
  { limits, profile, fileBytes }: { limits: CpuLimits; profile: Profile | undefined; fileBytes: number },
): FirstPlan {
  const found = instances === 'auto' ? profile : undefined;
  const count = found?.instances ?? (instances === 'auto' ? 1 : instances);
  if (threads !== 'auto') return { instances: count, threads: { count: threads, reason: 'set by configuration' } };
  if (found) return { instances: count, threads: { count: found.threads, reason: 'as the profile says' } };
  const planned = planThreads(limits, count);
  const all = { count: planned.threads, reason: planned.reason };
  const onProcessors = executionProviders.every(({ name }) => name === 'cpu');
  if (instances === 'auto' || all.count === 1 || !onProcessors || fileBytes > SMALL_FILE_BYTES) {
    return { instances: count, threads: all };
  }
  const reason = `one is enough for runs so short; at most ${all.count}: ${all.reason}`;
  return { instances: count, threads: { count: 1, reason }, otherwise: all };
}

export interface TuningParts {
  readonly settings: ModelSettings;
  readonly limits: CpuLimits;
  readonly profile: Profile | undefined;
  readonly budget: TuningBudget;
  readonly first: FirstPlan;
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
  const { settings, limits, profile, sample, batchable, budget, first, executor } = parts;
  const { instances, threads, otherwise } = first;
  const usesProfile = profile?.instances === instances && profile.threads === threads.count;
  const found = usesProfile ? profile : undefined;
  const most = batchable ? settings.maxBatchSize : 1;
  const measure = async (pool: EnginePool) => {
    const options = { maxBatchSize: most, budgetMs: budget.calibrationMs, now };
    const curve = sample ? await calibrate(pool, sample, options) : [];
    return { curve, knee: kneeOf(curve, most) };
  };
  const moveTo = async (plan: EnginePlan) => {
    const better = await parts.start(plan, true);
    // An engine that is still loading would take time from the runs that are measured; one that fails is started again.
    await better.complete().catch(() => {});
    const measured = await measure(better);
    await executor.close();
    return { executor: better, measured };
  };
  const measured = found ? { curve: found.curve, knee: kneeOf(found.curve, most) } : await measure(executor);
  const source = found ? 'profile' : 'measured at load';
  const decided = { instances, threads, ...measured, trials: found?.trials ?? [], source } as const;

  if (otherwise) {
    if (needsOneThread(measured.curve)) return { executor, tuning: decided };
    const moved = await moveTo({ instances, threads: otherwise.count });
    return { executor: moved.executor, tuning: { ...decided, ...moved.measured, threads: otherwise } };
  }

  const plans = candidatePlans(coresOf(limits));
  const open = settings.instances === 'auto' && settings.threads === 'auto' && plans.length > 1;
  if (!open || found || !sample || measured.curve.length === 0) return { executor, tuning: decided };

  const trials: PlanTrial[] = [];
  for (const plan of plans) {
    const own = plan.instances === instances;
    const trial = await tryWith(own ? async () => executor : () => parts.start(plan, false), !own, (pool) =>
      tryPlan(pool, { ...plan, sample, rows: measured.knee, budgetMs: budget.trialMs, now }),
    );
    if (trial) trials.push(trial);
  }
  if (trials.length === 0) return { executor, tuning: decided };
  const best = choosePlan(trials);
  const reason = `the best of ${trials.length} plans tried, or at most 5 % slower with fewer engines`;
  const tuning = { ...decided, instances: best.instances, threads: { count: best.threads, reason }, trials };
  if (best.instances === instances) return { executor, tuning };
  const moved = await moveTo(best);
  return { executor: moved.executor, tuning: { ...tuning, ...moved.measured } };
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
