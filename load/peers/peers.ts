// Ortlet beside servers in Python with the same model, the same version of onnxruntime and as many threads: JSON, in turns.

import { planThreads, readCpuLimits } from '../../src/execution/cpu-plan.ts';
import { compareAnswers } from '../answers.ts';
import type { LoadResult, LoadTask } from '../generator.ts';
import { MODELS, modelPath, writeModels } from '../models.ts';
import { type Requests, requestsFor } from '../requests.ts';
import { jsonBody, tokens } from '../scheduler/heavy-models.ts';
import { startOrtlet } from '../scheduler/ortlet.ts';
import type { Measure } from '../scheduler/report.ts';
import { median } from '../scheduler/statistics.ts';
import type { ServerProcess } from '../server-process.ts';
import { SENDER_FLAGS, TaskProcess } from '../task-process.ts';
import { installPeer, PEERS, startPeer } from './peer.ts';

interface Measured extends LoadResult {
  /** CPU time of the server and its children by wall time; 1 is one core. */
  readonly serverCpu: number;
}

const CONNECTIONS = [1, 32];
const TOKENS = 64;
const ORTLET = 'Ortlet';
const REQUESTS: Record<string, Requests> = {
  simplenet: requestsFor(MODELS[0]!, 'json'),
  encoder: {
    path: '/v2/models/encoder/infer',
    headers: { 'content-type': 'application/json' },
    bodies: [1, 2, 3, 4].map((seed) => Buffer.from(jsonBody(tokens(TOKENS, seed)))),
  },
};

export const peers: Measure = async ({ models, rounds, seconds, flags, onProgress }) => {
  writeModels(models);
  const { threads } = planThreads(readCpuLimits(), 1);
  const missing = new Map(PEERS.map((peer) => [peer, installPeer(peer)]));
  const present = PEERS.filter((peer) => missing.get(peer) === undefined);
  const generator = new TaskProcess<LoadTask, LoadResult>(new URL('../generator.ts', import.meta.url), SENDER_FLAGS);
  const servers = new Map<string, ServerProcess>();
  const rows: (string | number)[][] = [];
  const faults: string[] = [];
  try {
    for (const [model, requests] of Object.entries(REQUESTS)) {
      servers.set(ORTLET, await startOrtlet(models, ['--threads', String(threads), ...flags]));
      for (const peer of present) {
        const options = { model: modelPath(models, model), path: requests.path, threads };
        servers.set(peer.name, await startPeer(peer, options));
      }
      faults.push(...(await differences(servers, model, requests)));
      for (const connections of CONNECTIONS) {
        const results = new Map([...servers.keys()].map((name) => [name, [] as Measured[]]));
        for (let round = 0; round <= rounds; round++) {
          const order = round % 2 ? [...servers] : [...servers].toReversed();
          for (const [name, server] of order) {
            const result = await measure(generator, server, requests, connections, seconds);
            const { failures, requestsPerSecond } = result;
            if (failures > 0) faults.push(`${name}, ${model}: ${failures} requests had no answer of status 200`);
            if (requestsPerSecond === 0)
              faults.push(`${name}, ${model}: no answer in ${seconds} s, try more --seconds`);
            if (round > 0) results.get(name)!.push(result); // The first warms all up.
            onProgress();
          }
        }
        rows.push(...[...results].map(([name, own]) => summarize(model, connections, name, own, results.get(ORTLET)!)));
      }
      await endAll(servers);
    }
  } finally {
    generator.end();
    await endAll(servers);
  }
  const skipped = PEERS.filter((peer) => !present.includes(peer)).map(
    (peer) => `${peer.name} skipped: ${missing.get(peer)}`,
  );
  return {
    title: [`Servers in Python, JSON, ${threads} onnxruntime threads each; CPU of one core`, ...skipped].join('\n'),
    header: [
      'model',
      'connections',
      'server',
      'rows/s',
      'p50 ms',
      'p99 ms',
      'Ortlet by it',
      'in rounds',
      'CPU',
      'generator CPU',
    ],
    rows,
    faults,
  };
};

async function differences(
  servers: ReadonlyMap<string, ServerProcess>,
  model: string,
  requests: Requests,
): Promise<string[]> {
  const faults: string[] = [];
  for (const [name, { url }] of servers) {
    const fault = await compareAnswers(servers.get(ORTLET)!.url, url, requests).catch((error: Error) => error.message);
    if (fault) faults.push(`${name}, ${model}: ${fault}`);
  }
  return faults;
}

async function measure(
  generator: TaskProcess<LoadTask, LoadResult>,
  server: ServerProcess,
  { path, headers, bodies }: Requests,
  connections: number,
  seconds: number,
): Promise<Measured> {
  const cpuBefore = server.cpuSeconds ?? Number.NaN;
  const startedAt = performance.now();
  const task = { url: server.url + path, headers, bodies, connections, seconds, rate: undefined };
  const result = await generator.ask(task);
  const elapsedSeconds = (performance.now() - startedAt) / 1000;
  return { ...result, serverCpu: ((server.cpuSeconds ?? Number.NaN) - cpuBefore) / elapsedSeconds };
}

function summarize(
  model: string,
  connections: number,
  name: string,
  own: readonly Measured[],
  ortlet: readonly Measured[],
): (string | number)[] {
  const of = (pick: (measured: Measured) => number) => median(own.map(pick));
  const ratios = own.map(({ requestsPerSecond }, round) => ortlet[round]!.requestsPerSecond / requestsPerSecond);
  return [
    model,
    connections,
    name,
    of(({ requestsPerSecond }) => requestsPerSecond),
    of(({ p50Ms }) => p50Ms),
    of(({ p99Ms }) => p99Ms),
    median(ratios),
    `${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)}`,
    of(({ serverCpu }) => serverCpu),
    of(({ generatorCpu }) => generatorCpu),
  ];
}

async function endAll(servers: Map<string, ServerProcess>): Promise<void> {
  await Promise.all([...servers.values()].map((server) => server.end()));
  servers.clear();
}
