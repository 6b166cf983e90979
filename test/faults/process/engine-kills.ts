import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../../load/random.ts';
import { doubling, repositoryOf, slow } from '../../fixtures/models.ts';
import { until } from '../../fixtures/server.ts';
import type { Fault } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { Callers, doubles, question } from './callers.ts';

const SIGNALS = ['SIGKILL', 'SIGSEGV', 'SIGABRT'] as const;
const EVERY_MS = 1000;
const GAP_LIMIT_MS = 1000;
const REPLACE_LIMIT_MS = 20_000;
/** Some 50 µs each: runs are long enough to be met by a kill. */
const MOST_STEPS = 400;

export const engineKills: Fault = {
  name: 'engine-kills',
  kind: 'chaos',
  promise:
    'an engine of one of three busy models is ended by SIGKILL, SIGSEGV or SIGABRT every second for a minute; no request fails, every answer is right, and answers never stop for a second',
  async run({ length, seed, progress }) {
    const kills = length === 'short' ? 3 : 60;
    const random = seededRandom(seed);
    using repository = repositoryOf({ 'a.onnx': doubling(), 'b.onnx': slow(), 'c.onnx': slow() });
    await using server = await ServerUnderTest.start({ models: repository.path, args: ['--threads', '1'] });
    const questions = doubles(['a']);
    const callers = new Callers({
      url: server.url,
      clients: 12,
      ask(n) {
        if (n % 3 === 0) return questions(n);
        const steps = 1 + Math.floor(random() * MOST_STEPS);
        return question(n % 3 === 1 ? 'b' : 'c', 'FP32', [steps], [steps]);
      },
    });
    await callers.more(50);
    callers.longestGapMs = 0;
    const replacing: number[] = [];
    for (let i = 0; i < kills; i++) {
      const { engines } = server;
      const victim = engines[Math.floor(random() * engines.length)]!;
      const killedAt = Date.now();
      process.kill(victim, SIGNALS[i % SIGNALS.length]);
      const replacement = () => engineStarts(server.output).find(({ at }) => at >= killedAt);
      await until(() => replacement() !== undefined, REPLACE_LIMIT_MS);
      replacing.push(replacement()!.at - killedAt);
      // The engine has finished a run before the next one is ended.
      await callers.more(50);
      if (length === 'full') await delay(Math.max(0, EVERY_MS - (Date.now() - killedAt)));
      progress(i + 1, kills);
    }
    await callers.stop();
    const { tally, longestGapMs } = callers;
    const slowest = Math.max(...replacing);
    const median = replacing.toSorted((a, b) => a - b)[Math.floor(replacing.length / 2)]!;
    if (length === 'full') {
      tally.count(longestGapMs < GAP_LIMIT_MS ? undefined : `no answer for ${longestGapMs.toFixed(0)} ms`);
    }
    return tally.outcome(
      `${kills} kills, longest time without an answer ${longestGapMs.toFixed(0)} ms (limit ${GAP_LIMIT_MS} ms), engines replaced within ${slowest} ms, half of them within ${median} ms`,
      { kills, longestGapMs, replacedMs: slowest, replacedMedianMs: median },
    );
  },
};

/** From the log, what of it is kept. @returns when each engine was ready, in milliseconds since 1970 */
function engineStarts(output: string): { at: number }[] {
  return [...output.matchAll(/"time":"([^"]+)"[^\n]*"msg":"engine started"/g)].map(([, time]) => ({
    at: Date.parse(time!),
  }));
}
