// How many threads an engine may use: what the container may burn, shared by the instances. onnxruntime alone would
// take the host's cores and sees no cgroup quota.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

export interface CpuLimits {
  /** CPUs this process may be scheduled on. */
  readonly affinity: number;
  /** CPUs' worth of time that the cgroup grants (0.5 is half a CPU); undefined: no quota. */
  readonly quota: number | undefined;
  /** Server processes that share them; 1 by default. */
  readonly replicas?: number;
}

export interface CpuPlan {
  readonly threads: number;
  readonly reason: string;
}

/** Threads for each of `instances` engines, so that those of all replicas stay within the limits; at least 1. */
export function planThreads(limits: CpuLimits, instances: number): CpuPlan {
  const { affinity, quota, replicas = 1 } = limits;
  const cores = coresOf(limits);
  const source = quota !== undefined && quota < affinity ? `a cgroup quota of ${quota} CPUs` : `${affinity} CPUs`;
  return {
    threads: Math.max(1, Math.floor(cores / instances)),
    reason: `${source} shared by ${replicas > 1 ? `${replicas} replicas of ` : ''}${instances} instance${instances === 1 ? '' : 's'}`,
  };
}

/** Whole cores that the engines of one replica may use together; at least 1. */
export function coresOf({ affinity, quota, replicas = 1 }: CpuLimits): number {
  return Math.max(1, Math.floor(Math.min(affinity, quota ?? affinity) / replicas));
}

/** The limits as one of several replicas has them; `auto` is one for each whole core. */
export function shareLimits(limits: CpuLimits, replicas: number | 'auto'): CpuLimits & { readonly replicas: number } {
  return { ...limits, replicas: replicas === 'auto' ? coresOf(limits) : replicas };
}

/** Reads the limits of this process: the affinity mask, and the quota of cgroup v2 or v1. */
export function readCpuLimits(read: (path: string) => string = (path) => readFileSync(path, 'utf8')): CpuLimits {
  const affinity = availableParallelism();
  const attempts = [
    () => quotaOf(...(read('/sys/fs/cgroup/cpu.max').trim().split(' ') as [string, string])),
    () =>
      quotaOf(read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us').trim(), read('/sys/fs/cgroup/cpu/cpu.cfs_period_us').trim()),
  ];
  for (const attempt of attempts) {
    try {
      return { affinity, quota: attempt() };
    } catch {
      // That version of cgroups is not mounted here.
    }
  }
  return { affinity, quota: undefined };
}

function quotaOf(quota: string, period: string): number | undefined {
  const cpus = Number(quota) / Number(period);
  return cpus > 0 ? cpus : undefined;
}
