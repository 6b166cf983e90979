// How fast health and metrics answer under two burdens: every engine busy with a deliberately slow model, and JSON bodies
// of 60 MB on their way in. `npm run load:health`; --seconds says how long each takes.

import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { repositoryOf, slow } from '../test/fixtures/models.ts';
import type { Graph } from '../test/fixtures/onnx-writer.ts';
import type { LoadResult, LoadTask } from './generator.ts';
import { freePort, ServerProcess } from './server-process.ts';
import { SENDER_FLAGS, TaskProcess } from './task-process.ts';

/** The senders stand for other machines: they must not keep the server or the asker from a core. */
const GENERATOR_NICENESS = 10;
const PATHS = ['/v2/health/live', '/metrics'];

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' } } });
const seconds = Number(values.seconds);

/** 8 requests inside at all times, of about 50 ms a run on one core. */
await watch('every engine busy', { 'slow-1': slow(), 'slow-2': slow() }, (url) =>
  ['slow-1', 'slow-2'].map((model) => ({
    path: `${url}/v2/models/${model}/infer`,
    connections: 4,
    body: floats([1000]),
  })),
);

const NUMBERS = 6_000_000;
const large = floats(Array.from({ length: NUMBERS }, (_, i) => ((i * 7919) % 1e7) / 1e7));
for (const senders of [1, 2]) {
  await watch(`JSON bodies of 60 MB, ${senders} at a time`, { mean: meanOfAll() }, (url) => [
    { path: `${url}/v2/models/mean/infer`, connections: senders, body: large },
  ]);
}

interface Burden {
  readonly path: string;
  readonly connections: number;
  readonly body: Buffer;
}

async function watch(name: string, models: Record<string, Graph>, burdensAt: (url: string) => Burden[]): Promise<void> {
  using repository = repositoryOf(
    Object.fromEntries(Object.entries(models).map(([model, graph]) => [`${model}/model.onnx`, graph])),
  );
  const port = await freePort();
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  const settings = ['--port', String(port), '--log-level', 'warn'];
  const server = new ServerProcess('Ortlet', port, [main, 'serve', repository.path, ...settings]);
  const burdens = burdensAt(server.url);
  const generators = burdens.map(
    () =>
      new TaskProcess<LoadTask, LoadResult>(
        new URL('./generator.ts', import.meta.url),
        SENDER_FLAGS,
        GENERATOR_NICENESS,
      ),
  );
  try {
    await server.ready();
    const load = Promise.all(
      burdens.map(({ path, connections, body }, i) =>
        generators[i]!.ask({ url: path, headers: {}, bodies: [body], connections, seconds, rate: undefined }),
      ),
    );
    const times = await askUntil(load, port);
    const results = await load;
    const answered = results.reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond * seconds, 0);
    const failed = results.reduce((sum, { failures, unanswered }) => sum + failures + unanswered, 0);
    const size = (burdens[0]!.body.length / 1e6).toFixed(1);
    console.log(`${name}: ${Math.round(answered)} requests of ${size} MB answered, ${failed} not`);
    for (const [path, all] of times) console.log(`  ${path.padEnd(16)} ${describe(all)}`);
  } finally {
    for (const generator of generators) generator.end();
    await server.end();
  }
}

/** Asks for each path in turn until the load is over. @returns latencies in milliseconds */
async function askUntil(load: Promise<unknown>, port: number): Promise<Map<string, number[]>> {
  const times = new Map(PATHS.map((path) => [path, [] as number[]]));
  const agent = new Agent({ keepAlive: true });
  let over = false;
  void load.finally(() => {
    over = true;
  });
  while (!over) {
    for (const path of PATHS) {
      const startedAt = performance.now();
      await ask(agent, port, path);
      times.get(path)!.push(performance.now() - startedAt);
    }
    await delay(2);
  }
  agent.destroy();
  return times;
}

function ask(agent: Agent, port: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ agent, host: '127.0.0.1', port, path }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`${path}: ${response.statusCode}`)),
      );
    });
    request.on('error', reject);
    request.end();
  });
}

function describe(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(2);
  return `${sorted.length} answers, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`;
}

function floats(data: readonly number[]): Buffer {
  return Buffer.from(JSON.stringify({ inputs: [{ name: 'x', shape: [1, data.length], datatype: 'FP32', data }] }));
}

/** A large input and a small output: what is decoded is not printed again. */
function meanOfAll(): Graph {
  return {
    nodes: [{ operator: 'ReduceMean', inputs: ['x', 'axes'], outputs: ['y'], attributes: { keepdims: 1 } }],
    inputs: [{ name: 'x', type: 'float', shape: ['batch', 'numbers'] }],
    outputs: [{ name: 'y', type: 'float', shape: ['batch', 1] }],
    initializers: [{ name: 'axes', type: 'int64', shape: [1], data: BigInt64Array.of(1n) }],
  };
}
