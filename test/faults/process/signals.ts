import { readdirSync } from 'node:fs';
import { doubling, repositoryOf, slow } from '../../fixtures/models.ts';
import { isAlive } from '../../fixtures/process.ts';
import { until } from '../../fixtures/server.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';

interface Case {
  readonly name: string;
  readonly args?: readonly string[];
  /** What goes on before the signals; resolves with what must be so afterwards. */
  meanwhile?(server: ServerUnderTest): Promise<() => Promise<boolean>>;
  readonly signals: readonly NodeJS.Signals[];
  readonly code: number;
}

const DRAIN_LIMIT_MS = 500;
/** Then it hangs. */
const END_LIMIT_MS = 30_000;
const AN_HOUR = '3600000';

const CASES: readonly Case[] = [
  {
    name: 'with a run that would outlive the drain limit',
    meanwhile: endlessRun,
    signals: ['SIGTERM'],
    code: 1,
    args: ['--drain-timeout-ms', String(DRAIN_LIMIT_MS)],
  },
  { name: 'with a run inside', meanwhile: runInside, signals: ['SIGTERM'], code: 0 },
  {
    name: 'in the shutdown delay, and another',
    args: ['--shutdown-delay-ms', AN_HOUR],
    signals: ['SIGTERM', 'SIGINT'],
    code: 0,
  },
  { name: 'while models load', meanwhile: loading, signals: ['SIGTERM'], code: 0 },
  { name: 'when idle', signals: ['SIGTERM'], code: 0 },
  { name: 'when idle', signals: ['SIGINT'], code: 0 },
  { name: 'while models load', meanwhile: loading, signals: ['SIGINT'], code: 0 },
  {
    name: 'while a model is loaded again',
    args: ['--model-control', 'explicit'],
    meanwhile: reloading,
    signals: ['SIGTERM'],
    code: 0,
  },
  { name: 'with a run inside', meanwhile: runInside, signals: ['SIGINT', 'SIGTERM'], code: 0 },
  { name: 'after one that is passed over', signals: ['SIGHUP', 'SIGTERM'], code: 0 },
  {
    name: 'to replicas with a run inside',
    args: ['--replicas', '2'],
    meanwhile: runInside,
    signals: ['SIGTERM'],
    code: 0,
  },
  { name: 'to replicas that are being rolled', args: ['--replicas', '2'], signals: ['SIGHUP', 'SIGTERM'], code: 0 },
];

export const signals: Fault = {
  name: 'signals',
  kind: 'chaos',
  promise:
    'signals come when idle, in a load, a reload, a run, a roll, and again; the server ends with 0, or with 1 when the drain limit cut a run short, what is inside is answered, no engine and no file is left',
  async run({ length, progress }) {
    const cases = length === 'short' ? CASES.slice(0, 3) : Array.from({ length: 5 }, () => CASES).flat();
    const tally = new Tally();
    let slowestCut = 0;
    for (const [i, one] of cases.entries()) {
      using repository = repositoryOf({ 'm.onnx': slow(), 'n.onnx': doubling(), 'o.onnx': doubling() });
      const files = readdirSync(repository.path, { recursive: true }).sort().join();
      const launch = { models: repository.path, args: one.args ?? [] };
      await using server = await ServerUnderTest[one.meanwhile === loading ? 'launch' : 'start'](launch);
      const answered = await one.meanwhile?.(server);
      const { engines } = server;
      const at = performance.now();
      for (const signal of one.signals) server.signal(signal);
      const limit = setTimeout(() => server.kill(), END_LIMIT_MS);
      const code = await server.exited.finally(() => clearTimeout(limit));
      const ms = performance.now() - at;
      if (one.code === 1) slowestCut = Math.max(slowestCut, ms);
      const wrong = [
        code !== one.code && `exit ${code}`,
        engines.some(isAlive) && 'an engine is left',
        answered && !(await answered()) && 'what was inside was not answered as it should be',
        readdirSync(repository.path, { recursive: true }).sort().join() !== files && 'files have changed',
      ].filter(Boolean);
      tally.count(wrong.length > 0 ? `${one.signals} ${one.name}: ${wrong.join(', ')}` : undefined);
      progress(i + 1, cases.length);
    }
    return tally.outcome(
      `a run was cut short ${slowestCut.toFixed(0)} ms after the signal (drain limit ${DRAIN_LIMIT_MS} ms); no exit code but 0 and 1`,
      { slowestCutMs: slowestCut },
    );
  },
};

async function loading(server: ServerUnderTest) {
  await until(() => server.output.includes('"state":"LOADING"'));
  return async () => true;
}

async function reloading(server: ServerUnderTest) {
  const before = server.engines.length;
  void fetch(`${server.url}/v2/repository/models/n/load`, { method: 'POST' }).catch(() => {});
  await until(() => server.engines.length > before);
  return async () => true;
}

async function runInside({ url }: ServerUnderTest) {
  const status = run(url, 10_000);
  await inFlight(url);
  return async () => (await status) === 200;
}

async function endlessRun({ url }: ServerUnderTest) {
  const status = run(url, 1e9);
  await inFlight(url);
  return async () => (await status) !== 200;
}

async function inFlight(url: string): Promise<void> {
  await until(async () => /^ortlet_requests_in_flight.* 1$/m.test(await (await fetch(`${url}/metrics`)).text()));
}

function run(url: string, steps: number): Promise<number | string> {
  const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [steps] }] });
  return fetch(`${url}/v2/models/m/infer`, { method: 'POST', body }).then(
    ({ status }) => status,
    () => 'closed',
  );
}
