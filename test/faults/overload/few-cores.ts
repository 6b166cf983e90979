import { spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { until } from '../../fixtures/server.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';

const PERIOD_US = 100_000;
/** Models of small files are begun with one thread. */
const BALLAST = { name: 'ballast', type: 'float' as const, shape: [5_000_000], data: new Float32Array(5_000_000) };

export const fewCores: Fault = {
  name: 'few-cores',
  kind: 'chaos',
  promise:
    'a server that may use all cores, one by its affinity mask, or one by a cgroup quota plans as many threads, answers, and onnxruntime complains of no affinity',
  unavailable() {
    if (availableParallelism() < 2) return 'there is one core';
    if (spawnSync('taskset', ['--version']).error) return 'taskset is not installed';
    return undefined;
  },
  async run({ length, progress }) {
    const tally = new Tally();
    using models = repositoryOf({ 'm/model.onnx': { ...doubling(), initializers: [BALLAST] } });
    await using quota = length === 'full' ? quotaOfOneCore() : undefined;
    const ways = [
      ...(length === 'full' ? [{ name: 'all cores', by: [], threads: availableParallelism() }] : []),
      { name: 'an affinity mask', by: ['taskset', '--cpu-list', '0'], threads: 1 },
      ...(quota ? [{ name: 'a quota', by: quota.by, threads: 1 }] : []),
    ];
    const seen: string[] = [];
    for (const [i, { name, by, threads }] of ways.entries()) {
      await using server = await ServerUnderTest.start({ models: models.path, by });
      const model = `${server.url}/v2/models/m`;
      const { parameters } = (await (await fetch(model)).json()) as { parameters: { threads: number } };
      const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] });
      const { status } = await fetch(`${model}/infer`, { method: 'POST', body });
      tally.count(
        parameters.threads === threads ? undefined : `${parameters.threads} threads with ${name}, not ${threads}`,
      );
      tally.count(status === 200 ? undefined : `status ${status} with ${name}`);
      tally.count(
        /affinity_np|setaffinity/.test(server.output) ? `${name}: onnxruntime could not set the affinity` : undefined,
      );
      seen.push(`${parameters.threads} with ${name}`);
      progress(i + 1, ways.length);
    }
    return tally.outcome(`threads: ${seen.join(', ')}`);
  },
};

/** A cgroup that stands where a container sees its own; undefined where none can be made. */
function quotaOfOneCore() {
  const attempts = [
    { root: '/sys/fs/cgroup/cpu', file: 'cpu.cfs_quota_us', content: String(PERIOD_US) },
    { root: '/sys/fs/cgroup', file: 'cpu.max', content: `${PERIOD_US} ${PERIOD_US}` },
  ];
  for (const { root, file, content } of attempts) {
    const group = `${root}/ortlet-${process.pid}`;
    try {
      mkdirSync(group);
      writeFileSync(`${group}/${file}`, content);
    } catch {
      continue;
    }
    const enter = `echo $$ > ${group}/cgroup.procs && mount --bind ${group} ${root} && exec "$@"`;
    return {
      by: ['unshare', '--mount', 'sh', '-c', enter, 'sh'],
      [Symbol.asyncDispose]: () => until(() => isRemoved(group)),
    };
  }
  return undefined;
}

/** Engines end a moment after their server. */
function isRemoved(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch {
    return false;
  }
}
