// Open loop: requests come at random moments of a fixed rate, whether or not earlier ones are answered, and the wait for
// a free connection counts. Shows latency as clients feel it. (autocannon's own rate limit sends each second's requests
// in one burst at its beginning, which is neither.)

import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from './connection.ts';
import type { LoadTask, Observations } from './generator.ts';
import { seededRandom } from './random.ts';

const DRAIN_LIMIT_MS = 2_000;

export async function openLoop(task: LoadTask & { readonly rate: number }): Promise<Observations> {
  const { connections, rate, seconds } = task;
  const url = new URL(task.url);
  const requests = task.bodies.map((body) => encodeRequest(url, task.headers, body));
  const idle = await Promise.all(Array.from({ length: connections }, () => Connection.open(url)));
  const all = [...idle];
  const random = seededRandom(rate);
  const latenciesMs: number[] = [];
  const waiting: number[] = [];
  const running = new Set<{ readonly cameAt: number }>();
  let failures = 0;
  let sent = 0;

  const sendWaiting = (): void => {
    while (waiting.length > 0 && idle.length > 0) {
      const request = { cameAt: waiting.shift()! };
      const connection = idle.pop()!;
      running.add(request);
      void connection.send(requests[sent++ % requests.length]!).then((statusCode) => {
        running.delete(request);
        if (statusCode === 200) latenciesMs.push(performance.now() - request.cameAt);
        else failures++;
        idle.push(connection);
        sendWaiting();
      });
    }
  };

  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  let nextAt = startedAt;
  while (nextAt < endsAt) {
    // Timers wake about once a millisecond; a request comes at the first moment when the timer sees it.
    await delay(1);
    const now = performance.now();
    for (; nextAt <= now && nextAt < endsAt; nextAt += (-Math.log(1 - random()) / rate) * 1000) waiting.push(now);
    sendWaiting();
  }
  const drainedAt = performance.now() + DRAIN_LIMIT_MS;
  while (running.size + waiting.length > 0 && performance.now() < drainedAt) await delay(1);
  const elapsedMs = performance.now() - startedAt;

  // Those without an answer have waited at least this long; leaving them out would flatter the server.
  const left = [...waiting, ...Array.from(running, ({ cameAt }) => cameAt)];
  for (const cameAt of left) latenciesMs.push(performance.now() - cameAt);
  for (const connection of all) connection.close();
  return { latenciesMs, elapsedMs, failures, unanswered: left.length };
}

function encodeRequest(url: URL, headers: Readonly<Record<string, string>>, body: Uint8Array): Buffer {
  const lines = Object.entries({ host: url.host, ...headers, 'content-length': String(body.length) });
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.concat([Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${text}\r\n`), body]);
}
