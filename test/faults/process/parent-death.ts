import { setTimeout as delay } from 'node:timers/promises';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { isAlive } from '../../fixtures/process.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';

const LIMIT_MS = 1000;

export const parentDeath: Fault = {
  name: 'parent-death',
  kind: 'chaos',
  promise: 'the server is killed with SIGKILL, and its engines end within a second',
  async run({ length, progress }) {
    const times = length === 'short' ? 1 : 20;
    const tally = new Tally();
    let slowest = 0;
    using repository = repositoryOf({ 'a.onnx': doubling(), 'b.onnx': doubling() });
    for (let i = 0; i < times; i++) {
      await using server = await ServerUnderTest.start({ models: repository.path });
      const { engines } = server;
      const killed = performance.now();
      server.kill();
      while (engines.some(isAlive) && performance.now() - killed < 10 * LIMIT_MS) await delay(5);
      const ms = performance.now() - killed;
      slowest = Math.max(slowest, ms);
      tally.count(engines.length === 2 && ms < LIMIT_MS ? undefined : `${engines.length} engines, gone after ${ms} ms`);
      progress(i + 1, times);
    }
    return tally.outcome(`last engine gone after ${slowest.toFixed(0)} ms (limit ${LIMIT_MS} ms)`, { slowest });
  },
};
