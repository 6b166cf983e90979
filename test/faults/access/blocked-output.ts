import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../../../load/server-process.ts';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { MAIN } from '../../fixtures/process.ts';
import { until } from '../../fixtures/server.ts';
import { type Fault, Tally } from '../fault.ts';

const CLIENTS = 4;
/** Each request leaves a line of some 300 bytes at the level debug: this is more than a pipe and the server hold. */
const REQUESTS = { short: 600, full: 30_000 };
const SLOWEST_MS = 250;
const END_LIMIT_MS = 10_000;
const LONG_ID = { 'x-request-id': 'x'.repeat(128) };
const BODY = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] });

export const blockedOutput: Fault = {
  name: 'blocked-output',
  kind: 'chaos',
  promise:
    'standard output is a pipe that nobody reads, or one that is closed, at the log level debug: every request is answered, dropped lines are counted, and SIGTERM ends it with 0',
  async run({ length, progress }) {
    const tally = new Tally();
    const requests = REQUESTS[length];
    const times: number[] = [];
    let dropped = 0;
    using repository = repositoryOf({ 'm.onnx': doubling() });
    for (const [i, way] of (['unread', 'closed'] as const).entries()) {
      const { child, url } = await start(repository.path, way);
      try {
        for (let done = 0; done < requests; done += CLIENTS) {
          await Promise.all(
            Array.from({ length: CLIENTS }, async () => {
              const began = performance.now();
              const response = await fetch(`${url}/v2/models/m/infer`, {
                method: 'POST',
                headers: LONG_ID,
                body: BODY,
              });
              await response.arrayBuffer();
              times.push(performance.now() - began);
              tally.count(response.ok ? undefined : `${way}: ${response.status}`);
            }),
          );
          progress(i * requests + done, 2 * requests);
        }
        const metrics = await (await fetch(`${url}/metrics`)).text();
        dropped += Number(/^ortlet_log_lines_dropped_total (\d+)/m.exec(metrics)?.[1]);
        const exited = once(child, 'exit', { signal: AbortSignal.timeout(END_LIMIT_MS) });
        child.kill('SIGTERM');
        const [code] = await exited.catch(() => ['never']);
        tally.count(code === 0 ? undefined : `${way}: ended with ${code}`);
      } finally {
        child.kill('SIGKILL');
      }
    }
    tally.count(dropped > 0 ? undefined : 'no dropped line was counted');
    const p99 = times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)]!;
    if (length === 'full') tally.count(p99 < SLOWEST_MS ? undefined : `p99 ${p99.toFixed(0)} ms`);
    const worst = `p99 ${p99.toFixed(1)} ms (limit ${SLOWEST_MS} ms), ${dropped} lines dropped`;
    return tally.outcome(worst, { p99, dropped });
  },
};

async function start(models: string, way: 'unread' | 'closed'): Promise<{ child: ChildProcess; url: string }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [MAIN, 'serve', models, '--port', String(port), '--log-level', 'debug'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  // A stream that nobody reads from holds the pipe open, and full.
  if (way === 'closed') child.stdout!.destroy();
  await until(async () => (await fetch(`${url}/v2/health/ready`).catch(() => undefined))?.ok === true, 30_000);
  return { child, url };
}
