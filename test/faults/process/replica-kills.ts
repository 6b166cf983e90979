import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../../load/random.ts';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { isAlive } from '../../fixtures/process.ts';
import { until } from '../../fixtures/server.ts';
import type { Fault } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { Callers, doubles } from './callers.ts';

const EVERY_MS = 1000;
const REPLACE_LIMIT_MS = 60_000;

export const replicaKills: Fault = {
  name: 'replica-kills',
  kind: 'chaos',
  promise:
    'one of two busy replicas is killed with SIGKILL every second, or when both serve again; whoever asks once more when his connection breaks gets every answer',
  async run({ length, seed, progress }) {
    const kills = length === 'short' ? 2 : 60;
    const random = seededRandom(seed);
    using repository = repositoryOf({ 'a.onnx': doubling() });
    await using server = await ServerUnderTest.start({ models: repository.path, args: ['--replicas', '2'] });
    await until(() => serving(server).length === 2, REPLACE_LIMIT_MS);
    const callers = new Callers({ url: server.url, clients: 16, ask: doubles(['a']), retries: 1 });
    await callers.more(100);
    for (let i = 0; i < kills; i++) {
      const at = performance.now();
      process.kill(serving(server)[random() < 0.5 ? 0 : 1]!, 'SIGKILL');
      await until(() => serving(server).length === 2, REPLACE_LIMIT_MS);
      await callers.more(20);
      if (length === 'full') await delay(Math.max(0, EVERY_MS - (performance.now() - at)));
      progress(i + 1, kills);
    }
    await callers.stop();
    const { tally, answered, broken, longestGapMs } = callers;
    return tally.outcome(
      `${kills} kills, ${answered.toLocaleString('en')} requests, ${broken} asked again, longest time without an answer ${longestGapMs.toFixed(0)} ms`,
      { kills, broken, longestGapMs },
    );
  },
};

export const replicaRolls: Fault = {
  name: 'replica-rolls',
  kind: 'chaos',
  promise:
    'two busy replicas are replaced one after the other on SIGHUP, again and again, and no request of all that were sent fails',
  async run({ length, progress }) {
    const rolls = length === 'short' ? 1 : 20;
    using repository = repositoryOf({ 'a.onnx': doubling() });
    await using server = await ServerUnderTest.start({ models: repository.path, args: ['--replicas', '2'] });
    await until(() => serving(server).length === 2, REPLACE_LIMIT_MS);
    const callers = new Callers({ url: server.url, clients: 16, ask: doubles(['a']) });
    await callers.more(100);
    for (let i = 0; i < rolls; i++) {
      const old = serving(server);
      server.signal('SIGHUP');
      await until(() => !old.some(isAlive) && serving(server).length === 2, REPLACE_LIMIT_MS);
      await callers.more(100);
      progress(i + 1, rolls);
    }
    await callers.stop();
    const { tally, answered, longestGapMs } = callers;
    return tally.outcome(
      `${rolls} rolls, ${answered.toLocaleString('en')} requests, longest time without an answer ${longestGapMs.toFixed(0)} ms`,
      { rolls, longestGapMs },
    );
  },
};

/** The replicas that serve, by the log. */
function serving({ output }: ServerUnderTest): number[] {
  const started = [...output.matchAll(/"replicaPid":(\d+),"msg":"replica started"/g)].map(([, pid]) => Number(pid));
  return started.filter(isAlive);
}
