import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { missingProgram } from '../programs.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { askUntil } from './normal-client.ts';
import { openSocket } from './raw-client.ts';

const FILES = 64;
const LIMIT_MS = 1000;

export const connectionFlood: Fault = {
  name: 'connection-flood',
  kind: 'chaos',
  promise: `500 connections to a server that may open ${FILES} files: it lives, starts a dead engine again, answers health in three tries, and at once when they have gone`,
  unavailable: () => missingProgram('prlimit'),
  async run({ length, progress }) {
    const [times, flood] = length === 'short' ? [1, 100] : [10, 500];
    const tally = new Tally();
    let slowest = 0;
    let answered = 0;
    using repository = repositoryOf({ 'm.onnx': doubling() });
    await using server = await ServerUnderTest.start({
      models: repository.path,
      args: ['--log-level', 'error'],
      by: ['prlimit', `--nofile=${FILES}`],
    });
    for (let i = 0; i < times; i++) {
      const sockets: Socket[] = await Promise.all(Array.from({ length: flood }, () => openSocket(server.port)));
      // An engine that dies meanwhile has to be started again, which needs files.
      const [engine] = server.engines;
      process.kill(engine!, 'SIGKILL');
      // As an orchestrator asks: again, before it gives up.
      for (let tries = 0; tries < 3; tries++) {
        await delay(600);
        if (!(await isHealthy(server.url))) continue;
        answered++;
        break;
      }
      const limit = performance.now() + 10_000;
      while (!server.engines.some((pid) => pid !== engine) && performance.now() < limit) await delay(20);
      tally.count(server.engines.some((pid) => pid !== engine) ? undefined : 'a dead engine was not started again');
      for (const socket of sockets) socket.destroy();
      const freed = performance.now();
      while (!(await isHealthy(server.url)) && performance.now() - freed < 10 * LIMIT_MS) await delay(5);
      const ms = performance.now() - freed;
      slowest = Math.max(slowest, ms);
      const late = length === 'full' && ms >= LIMIT_MS ? `health answered after ${ms.toFixed(0)} ms` : undefined;
      tally.count(server.running ? late : `the server ended: ${server.output}`);
      await server.ready();
      // Engines that die again and again without one run would be started ever more slowly.
      let asked = false;
      await askUntil(
        server.url,
        () => asked,
        (status) => {
          asked = true;
          tally.count(status === 200 ? undefined : `an inference was answered with ${status}`);
        },
      );
      progress(i + 1, times);
    }
    tally.count(answered === times ? undefined : `health was answered ${answered} of ${times} times in the flood`);
    return tally.outcome(
      `health answered ${slowest.toFixed(0)} ms after ${flood} connections had gone (limit ${LIMIT_MS} ms), and ${answered} of ${times} times while they were there`,
      { slowest, answered, times },
    );
  },
};

async function isHealthy(url: string): Promise<boolean> {
  const response = await fetch(`${url}/v2/health/live`, { signal: AbortSignal.timeout(2000) }).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.ok === true;
}
