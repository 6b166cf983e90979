// The habit of SQLite's anomaly tests: the first call to the system fails, then the second, then the third, until all goes
// through. https://sqlite.org/testing.html#i_o_error_testing

import { seededRandom } from '../../../load/random.ts';
import { identity, repositoryOf } from '../../fixtures/models.ts';
import { isAlive, launch } from '../../fixtures/process.ts';
import { until } from '../../fixtures/server.ts';
import { type Fault, Tally } from '../fault.ts';
import { childrenOf } from '../server-under-test.ts';

const MODULE = new URL('./failing-calls.ts', import.meta.url).href;
const ERRORS = 3;
const SHORT_POINTS = 2;
/** Most of a server's start is waiting. */
const AT_ONCE = 3;
const MOST_ROUNDS = 3;
const LIMIT_MS = 30_000;
/** More than is decoded on the event loop. */
const LARGE = 60_000;
const HANG = 'hang';
const LEAK = 'engines left behind';
/** Of the preloaded module. */
const OWN_LINE = /^(call [0-9]+, .*|[0-9]+ calls)$/;

const body = (numbers: number) =>
  JSON.stringify({ inputs: [{ name: 'x', shape: [1, numbers], datatype: 'FP32', data: Array(numbers).fill(0.123) }] });
const REQUESTS = [
  ['/v2/repository/models/large/load', ''],
  ['/v2/models/large/infer', body(LARGE)],
  ['/v2/repository/models/small/load', ''],
  ['/v2/models/small/infer', body(2)],
] as const;

export const nthCallFails: Fault = {
  name: 'nth-call-fails',
  kind: 'chaos',
  promise:
    'of the calls to the file system, to engines and to start them, the nth fails, for every n of start, load, reload and inference: an error says so, the next try succeeds, nothing hangs, no engine is left behind',
  async run({ length, seed, progress }) {
    const tally = new Tally();
    using repository = repositoryOf({
      'large/model.onnx': identity('float', ['batch', 'numbers']),
      'large/config.yaml': 'instances: 2\n',
      'small/model.onnx': identity('float'),
    });
    const { calls, failure } = await attempt(repository.path, 0, 0);
    tally.count(failure);
    const all = Array.from({ length: ERRORS * calls }, (_, i) => ({
      call: 1 + (i % calls),
      error: Math.floor(i / calls),
    }));
    const random = seededRandom(seed);
    const chosen =
      length === 'full' ? all : Array.from({ length: SHORT_POINTS }, () => all[Math.floor(random() * all.length)]!);
    const seen = { hangs: 0, leaks: 0, givenUp: 0 };
    const worker = async () => {
      for (let point = chosen.shift(); point; point = chosen.shift()) {
        const { call, error } = point;
        const { failure, givenUp } = await attempt(repository.path, call, error);
        tally.count(failure && `call ${call}, error ${error}: ${failure}`);
        if (failure?.startsWith(HANG)) seen.hangs++;
        if (failure?.startsWith(LEAK)) seen.leaks++;
        if (givenUp) seen.givenUp++;
        progress(tally.cases, tally.cases + chosen.length);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const { hangs, leaks, givenUp } = seen;
    return tally.outcome(
      `${calls} points, ${hangs} hangs, ${leaks} left engines, ${givenUp} starts ended with one line and exit code 1`,
      { points: calls, ...seen },
    );
  },
};

interface Attempt {
  readonly calls: number;
  /** The server did not start, and said so. */
  readonly givenUp: boolean;
  readonly failure?: string;
}

/** A server's whole life. @param call the one that fails; 0: none */
async function attempt(models: string, call: number, error: number): Promise<Attempt> {
  const args = ['serve', models, '--port', '0', '--model-control', 'explicit', '--ready-models', 'any'];
  using server = launch(args, [`--import=${MODULE}?call=${call}&error=${error}`]);
  const { child, lines } = server;
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const address = () => lines.find(({ msg }) => msg === 'ready')?.address;
  let givenUp = false;
  try {
    await inTime(`${HANG} at the start`, () => hasEnded() || address() !== undefined);
    givenUp = hasEnded();
    if (!givenUp) {
      await goThrough(address()!, () => call === 0 || server.errors().includes(`call ${call},`));
      await inTime(LEAK, async () => childrenOf(child.pid!).length === (await readyEngines(address()!)));
      child.kill('SIGTERM');
      await inTime(`${HANG} at the end`, hasEnded);
    }
    const code = await server.exited;
    const said = server
      .errors()
      .split('\n')
      .filter((line) => line !== '' && !OWN_LINE.test(line));
    if (givenUp ? code !== 1 || said.length !== 1 : code !== 0)
      throw new Error(`exit code ${code}, ${said.join(' | ')}`);
    await inTime(LEAK, () => !lines.some(({ enginePid }) => enginePid !== undefined && isAlive(enginePid)));
    return { calls: Number(/([0-9]+) calls/.exec(server.errors())?.[1]), givenUp };
  } catch (cause) {
    return { calls: 0, givenUp, failure: (cause as Error).message };
  }
}

/** Loads and asks every model until it has been done once with the failure behind. */
async function goThrough(address: string, isSpent: () => boolean): Promise<void> {
  for (let round = 0, spent = false; !spent && round < MOST_ROUNDS; round++) {
    spent = isSpent();
    for (const [path, body] of REQUESTS) {
      const signal = AbortSignal.timeout(LIMIT_MS);
      const response = await fetch(`${address}${path}`, { method: 'POST', body, signal }).catch(
        (error: Error) => error,
      );
      if (response instanceof Error)
        throw new Error(`${response.name === 'TimeoutError' ? HANG : 'no answer'} at ${path}`);
      const text = await response.text();
      const told = response.status >= 400 && /^\{"error":"[^"]/.test(text) && !/ '?\/\w/.test(text);
      if (response.status !== 200 && (spent || !told)) throw new Error(`${path} gave ${response.status} ${text}`);
    }
  }
}

async function readyEngines(address: string): Promise<number> {
  const metrics = await (await fetch(`${address}/metrics`)).text();
  const counts = metrics.matchAll(/^ortlet_engines\{.*state="ready"\} ([0-9]+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function inTime(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  await until(condition, LIMIT_MS).catch(() => {
    throw new Error(`${what}: not within ${LIMIT_MS / 1000} s`);
  });
}
