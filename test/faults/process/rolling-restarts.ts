import { doubling, repositoryOf } from '../../fixtures/models.ts';
import type { Fault } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { Callers, doubles } from './callers.ts';
import { Haproxy, haproxyMissing, NOTICED_AFTER_MS } from './haproxy.ts';

export const rollingRestarts: Fault = {
  name: 'rolling-restarts',
  kind: 'chaos',
  promise:
    'two busy servers behind haproxy are restarted in turn, each by SIGTERM when both are ready; each ends with 0, and no request of all that were sent fails',
  unavailable: haproxyMissing,
  async run({ length, progress }) {
    const restarts = length === 'short' ? 2 : 100;
    using repository = repositoryOf({ 'a.onnx': doubling(), 'b.onnx': doubling() });
    const launch = { models: repository.path, args: ['--shutdown-delay-ms', String(NOTICED_AFTER_MS)] };
    const servers = await Promise.all([ServerUnderTest.start(launch), ServerUnderTest.start(launch)]);
    let slowest = 0;
    try {
      await using haproxy = await Haproxy.start(servers.map(({ port }) => port));
      const callers = new Callers({ url: haproxy.url, clients: 16, ask: doubles(['a', 'b']) });
      await callers.more(100);
      for (let i = 0; i < restarts; i++) {
        const old = servers[i % 2]!;
        const endedAt = performance.now();
        const code = await old.end();
        slowest = Math.max(slowest, performance.now() - endedAt);
        if (code !== 0) callers.tally.count(`exit ${code}: ${old.output.slice(-300)}`);
        servers[i % 2] = await ServerUnderTest.start({ ...launch, port: old.port });
        await haproxy.allReady(2);
        await callers.more(20);
        progress(i + 1, restarts);
      }
      await callers.stop();
      const { tally, answered, longestGapMs } = callers;
      return tally.outcome(
        `${restarts} restarts, ${answered.toLocaleString('en')} requests, longest time without an answer ${longestGapMs.toFixed(0)} ms, slowest end ${slowest.toFixed(0)} ms`,
        { restarts, longestGapMs, endMs: slowest },
      );
    } finally {
      for (const server of servers) await server[Symbol.asyncDispose]();
    }
  },
};
