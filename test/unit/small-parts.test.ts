import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { coresOf, planThreads, readCpuLimits, shareLimits } from '../../src/execution/cpu-plan.ts';
import { restartDelayMs } from '../../src/execution/restart-policy.ts';
import { RunLimit } from '../../src/execution/run-limit.ts';
import { ModelStatistics } from '../../src/observability/statistics.ts';
import { Admission } from '../../src/serving/admission.ts';

describe('threads', () => {
  test.each([
    [{ affinity: 8, quota: undefined }, 1, 8],
    [{ affinity: 8, quota: undefined }, 3, 2],
    [{ affinity: 8, quota: 2.5 }, 1, 2],
    [{ affinity: 8, quota: 0.5 }, 1, 1],
    [{ affinity: 2, quota: 16 }, 4, 1],
  ])('%j shared by %i engines: %i each', (limits, instances, threads) => {
    expect(planThreads(limits, instances).threads).toBe(threads);
  });

  test('replicas share the cores; auto is one for each whole core', () => {
    const limits = { affinity: 8, quota: 6.5 };
    expect(shareLimits(limits, 'auto').replicas).toBe(6);
    expect(shareLimits({ affinity: 8, quota: 0.5 }, 'auto').replicas).toBe(1);
    const shared = shareLimits(limits, 2);
    expect([coresOf(shared), planThreads(shared, 1).threads, planThreads(shared, 4).threads]).toEqual([3, 3, 1]);
    expect(planThreads(shared, 1).reason).toBe('a cgroup quota of 6.5 CPUs shared by 2 replicas of 1 instance');
  });

  test('the quota is read from cgroup v2, or v1, or there is none', () => {
    const files = (content: Record<string, string>) => (path: string) => {
      const found = Object.entries(content).find(([name]) => path.endsWith(name));
      if (!found) throw new Error('ENOENT');
      return found[1];
    };
    expect(readCpuLimits(files({ 'cpu.max': '150000 100000\n' })).quota).toBe(1.5);
    expect(readCpuLimits(files({ 'cpu.max': 'max 100000\n' })).quota).toBeUndefined();
    expect(readCpuLimits(files({ cfs_quota_us: '50000', cfs_period_us: '100000' })).quota).toBe(0.5);
    expect(readCpuLimits(files({ cfs_quota_us: '-1', cfs_period_us: '100000' })).quota).toBeUndefined();
    expect(readCpuLimits(files({})).quota).toBeUndefined();
  });
});

test('an engine is replaced at once, in a crash loop ever more slowly', () => {
  expect([1, 2, 3, 4, 20].map(restartDelayMs)).toEqual([0, 100, 200, 400, 30_000]);
});

describe('the limit of a run', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function limited() {
    const engine = { pid: process.pid, kill: vi.fn() };
    return { engine, limit: new RunLimit(engine, 100) };
  }

  test('counts from the beginning of each run, whenever the one before began', () => {
    const { engine, limit } = limited();
    limit.begin(performance.now());
    vi.advanceTimersByTime(30);
    limit.end();
    limit.begin(performance.now());
    vi.advanceTimersByTime(99);
    expect(engine.kill).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2);
    expect(engine.kill).toHaveBeenCalledOnce();
    expect(limit.reached).toBeDefined();
  });

  test('has no timer left when no run began while it was on', () => {
    const { engine, limit } = limited();
    limit.begin(performance.now());
    limit.end();
    vi.advanceTimersByTime(1000);
    expect([vi.getTimerCount(), engine.kill.mock.calls.length]).toEqual([0, 0]);
  });

  test('looks no more at an engine that has gone', () => {
    const { engine, limit } = limited();
    limit.begin(performance.now());
    limit.close();
    vi.advanceTimersByTime(1000);
    expect(engine.kill).not.toHaveBeenCalled();
  });
});

describe('admission', () => {
  test('bodies of all requests together are bounded, but one alone always gets in', () => {
    const admission = new Admission(100);
    admission.admit(1000);
    expect(() => admission.admit(1)).toThrow('maxInFlightBytes');
    admission.leave(1000);
    admission.admit(50);
    admission.admit(50);
    expect(admission.requests).toBe(2);
  });

  test('closing lets nobody in and waits for the last to leave', async () => {
    const admission = new Admission(100);
    admission.admit(1);
    const closed = admission.close();
    expect(() => admission.admit(1)).toThrow('shutting down');
    admission.leave(1);
    await closed;
  });
});

test('the last inference is the last run, whatever is refused after it', () => {
  const statistics = new ModelStatistics();
  expect(statistics.report('m', '1').last_inference).toBe(0);
  statistics.batchExecuted({ rows: 1, queueMs: [0], inputMs: 0, computeMs: 1, outputMs: 0 }, 1_800_000_000_000);
  statistics.requestAnswered('INVALID_INPUT', 1);
  expect(statistics.report('m', '1').last_inference).toBe(1_800_000_000_000);
});
