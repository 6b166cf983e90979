// How fast health and metrics answer while every engine is busy: a deliberately slow model is kept running by more
// requests than it can take, and a client asks for both in turn. `npm run load:health`; --seconds says how long.

import { Agent, request as httpRequest } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { repositoryOf, slow } from '../test/fixtures/models.ts';
import { freePort, ServerProcess } from './server-process.ts';

const MODELS = 2;
const REQUESTS_A_MODEL = 4;
/** About 50 ms a run on one core. */
const STEPS = 1000;
const PATHS = ['/v2/health/live', '/metrics'];

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' } } });
const agent = new Agent({ keepAlive: true });
using repository = repositoryOf(
  Object.fromEntries(Array.from({ length: MODELS }, (_, i) => [`slow-${i}/model.onnx`, slow()])),
);
const port = await freePort();
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const server = new ServerProcess('Ortlet', port, [
  main,
  'serve',
  repository.path,
  '--port',
  String(port),
  '--log-level',
  'warn',
]);
try {
  await server.ready();
  const endsAt = performance.now() + Number(values.seconds) * 1000;
  let runs = 0;
  const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, 1], datatype: 'FP32', data: [STEPS] }] });
  const clients = Array.from({ length: MODELS * REQUESTS_A_MODEL }, async (_, i) => {
    while (performance.now() < endsAt) {
      await ask('POST', `/v2/models/slow-${i % MODELS}/infer`, body);
      runs++;
    }
  });
  const times: Record<string, number[]> = {};
  while (performance.now() < endsAt) {
    for (const path of PATHS) {
      const startedAt = performance.now();
      await ask('GET', path);
      // biome-ignore lint/suspicious/noAssignInExpressions: made at its first use
      (times[path] ??= []).push(performance.now() - startedAt);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(clients);
  console.log(`${MODELS} models, ${MODELS * REQUESTS_A_MODEL} requests inside at all times, ${runs} answered`);
  for (const [path, all] of Object.entries(times)) {
    const sorted = all.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(2);
    console.log(`${path.padEnd(16)} ${all.length} answers, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`);
  }
} finally {
  agent.destroy();
  await server.end();
}

function ask(method: string, path: string, body = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body) };
    const request = httpRequest({ agent, host: '127.0.0.1', port, method, path, headers }, (response) => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`${path}: ${response.statusCode}`)),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}
