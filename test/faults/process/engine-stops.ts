import { seededRandom } from '../../../load/random.ts';
import { doubling, repositoryOf, slow } from '../../fixtures/models.ts';
import { isAlive } from '../../fixtures/process.ts';
import { until } from '../../fixtures/server.ts';
import type { Fault } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { Callers, doubles, question } from './callers.ts';

const RUN_LIMIT_MS = 1000;
const DETECTION_LIMIT_MS = RUN_LIMIT_MS + 500;

export const engineStops: Fault = {
  name: 'engine-stops',
  kind: 'chaos',
  promise:
    'an engine of one of two busy models hangs (SIGSTOP); it is killed and replaced at the run limit of a second, and every request is answered, by the next engine if need be',
  async run({ length, seed, progress }) {
    const stops = length === 'short' ? 1 : 30;
    const random = seededRandom(seed);
    using repository = repositoryOf({ 'a.onnx': doubling(), 'b.onnx': slow() });
    const args = ['--threads', '1', '--run-limit-ms', String(RUN_LIMIT_MS)];
    await using server = await ServerUnderTest.start({ models: repository.path, args });
    const questions = doubles(['a']);
    const callers = new Callers({
      url: server.url,
      clients: 8,
      ask: (n) => (n % 2 === 0 ? questions(n) : question('b', 'FP32', [100], [100])),
    });
    await callers.more(50);
    let slowest = 0;
    for (let i = 0; i < stops; i++) {
      const victim = server.engines[Math.floor(random() * 2)]!;
      const stoppedAt = performance.now();
      process.kill(victim, 'SIGSTOP');
      await until(() => !isAlive(victim));
      slowest = Math.max(slowest, performance.now() - stoppedAt);
      await until(() => server.engines.filter((engine) => engine !== victim).length === 2);
      await callers.more(50);
      progress(i + 1, stops);
    }
    await callers.stop();
    const { tally } = callers;
    if (length === 'full') {
      tally.count(slowest < DETECTION_LIMIT_MS ? undefined : `a hung engine was killed after ${slowest.toFixed(0)} ms`);
    }
    return tally.outcome(`${stops} stops, noticed within ${slowest.toFixed(0)} ms (limit ${DETECTION_LIMIT_MS} ms)`, {
      stops,
      noticedMs: slowest,
    });
  },
};
