// Batching is never slower than no batching: the server as it comes beside the same with `batching: off`, for every model
// and number of connections.
//
//   round  both started · each scenario: warmed up, on off off on · ended       next round: off on on off
//                                                   └─ four times, each a quarter as long, where few ask
//
// Two processes of one server differ by up to a tenth, as their code was compiled and laid out: so each round has its own two.

import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MODELS, modelPath, writeModels } from '../models.ts';
import { seededRandom } from '../random.ts';
import type { ServerProcess } from '../server-process.ts';
import type { TaskProcess } from '../task-process.ts';
import { binaryRequest, type LoadTensor, picture, tokens } from './heavy-models.ts';
import { inferUrl, startOrtlet, startSender } from './ortlet.ts';
import type { Measure } from './report.ts';
import type { SendResult, SendTask } from './sender.ts';
import { median, quantile, timesOf } from './statistics.ts';

const CONNECTIONS = [1, 4, 16, 64];
/** The machine's own speed changes within a second. With more connections a shorter turn would be all beginning and end. */
const TURNS: Record<number, number> = { 1: 4, 4: 4 };
const ROWS: Record<string, readonly LoadTensor[]> = {
  ...Object.fromEntries(
    MODELS.map(({ name, input, columns }) => {
      const data = Float32Array.from({ length: columns }, seededRandom(columns));
      return [name, [{ name: input, datatype: 'FP32', shape: [1, columns], data }]];
    }),
  ),
  encoder: tokens(32, 1),
  recogniser: picture(1),
};
const OTHER_ENCODER = 'other-encoder';
const WANTED = { throughput: 0.97, p99: 1.1 };

interface Scenario {
  readonly model: string;
  readonly tensors: readonly LoadTensor[];
  readonly connections: number;
}

interface Figures {
  readonly rowsPerSecond: number;
  readonly p99: number;
}

/** With batching, and without, of one round. */
type Pair = readonly [on: Figures, off: Figures];
type Servers = readonly [on: ServerProcess, off: ServerProcess];

export const batching: Measure = async ({ models, otherEncoder, rounds, seconds, flags, onProgress }) => {
  writeModels(models);
  if (otherEncoder !== undefined) {
    mkdirSync(join(models, OTHER_ENCODER));
    copyFileSync(otherEncoder, modelPath(models, OTHER_ENCODER));
  }
  const rows = { ...ROWS, ...(otherEncoder !== undefined && { [OTHER_ENCODER]: ROWS.encoder! }) };
  const scenarios = Object.entries(rows).flatMap(([model, tensors]) =>
    CONNECTIONS.map((connections) => ({ model, tensors, connections })),
  );
  const faults: string[] = [];
  const pairs = new Map<Scenario, Pair[]>(scenarios.map((scenario) => [scenario, []]));
  const sender = startSender();
  try {
    for (let round = 0; round < rounds; round++) {
      const servers = await startBoth(models, flags, round % 4 < 2);
      const order = round % 2 ? [1, 0, 0, 1] : [0, 1, 1, 0];
      try {
        for (const scenario of scenarios) {
          await measure(sender, servers, scenario, order, seconds / 2, faults);
          const turns = Array.from({ length: TURNS[scenario.connections] ?? 1 }, () => order).flat();
          pairs.get(scenario)!.push(await measure(sender, servers, scenario, turns, seconds, faults));
          onProgress();
        }
      } finally {
        await Promise.all(servers.map((server) => server.end()));
      }
    }
  } finally {
    sender.end();
  }
  return {
    title: [
      `Batching as it comes beside batching off (wanted: throughput >= ${WANTED.throughput}, p99 <= ${WANTED.p99}), medians of ${rounds} rounds`,
      ...(otherEncoder === undefined ? [`${OTHER_ENCODER} skipped: --other-encoder names no file`] : []),
    ].join('\n'),
    header: ['model', 'connections', 'off rows/s', 'on rows/s', 'ratio', 'off p99 ms', 'on p99 ms', 'ratio', 'kept'],
    rows: Array.from(pairs, ([scenario, ofScenario]) => summarize(scenario, ofScenario)),
    faults,
  };
};

/** In turns first: which of two servers was started before the other is not what is measured. */
async function startBoth(models: string, flags: readonly string[], onFirst: boolean): Promise<Servers> {
  const startOn = () => startOrtlet(models, flags);
  const startOff = () => startOrtlet(models, ['--batching', 'off', ...flags]);
  if (onFirst) return [await startOn(), await startOff()];
  const off = await startOff();
  return [await startOn(), off];
}

/** @param order which of the servers is asked, one after the other @param seconds for each of the two, all its turns together */
async function measure(
  sender: TaskProcess<SendTask, SendResult>,
  servers: Servers,
  { model, tensors, connections }: Scenario,
  order: readonly number[],
  seconds: number,
  faults: string[],
): Promise<Pair> {
  const results: SendResult[][] = [[], []];
  for (const which of order) {
    const url = inferUrl(servers[which]!, model);
    const requests = [binaryRequest(url, tensors)];
    const task = { url: url.href, requests, connections, seconds: (2 * seconds) / order.length };
    results[which]!.push(await sender.ask(task));
  }
  const [on, off] = results.map((ofServer): Figures => {
    const samples = ofServer.flatMap((result) => result.samples);
    const times = timesOf(samples);
    if (times.length < samples.length) faults.push(`${model}: ${samples.length - times.length} requests failed`);
    const elapsedMs = ofServer.reduce((sum, result) => sum + result.elapsedMs, 0);
    return { rowsPerSecond: (times.length * 1000) / elapsedMs, p99: quantile(times, 0.99) };
  });
  return [on!, off!];
}

function summarize({ model, connections }: Scenario, pairs: readonly Pair[]): (string | number)[] {
  const compare = (figure: keyof Figures) => {
    const [on, off] = [0, 1].map((which) => median(pairs.map((pair) => pair[which]![figure])));
    return [off!, on!, median(pairs.map((pair) => pair[0][figure] / pair[1][figure]))] as const;
  };
  const throughput = compare('rowsPerSecond');
  const p99 = compare('p99');
  const kept = throughput[2] >= WANTED.throughput && p99[2] <= WANTED.p99;
  return [model, connections, ...throughput, ...p99, kept ? 'yes' : 'no'];
}
