// The child process that sends requests: in a closed loop, each connection when it has its answer; or in an open loop, at
// random moments of a fixed rate, each on a connection that is free then. Tells of every answer.

import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '../connection.ts';
import { seededRandom } from '../random.ts';
import { answerTasks } from '../task-process.ts';

export interface SendTask {
  readonly url: string;
  /** Whole HTTP requests, sent in turn. */
  readonly requests: readonly Uint8Array[];
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second, in an open loop; undefined: a closed loop. */
  readonly rate?: number | undefined;
}

/** One answer; times in milliseconds, `status` 0: the connection was lost. */
export interface Sample {
  /** Place of its request in the task. */
  readonly request: number;
  /** When it was due to be sent, from the beginning of the task. */
  readonly at: number;
  readonly ms: number;
  readonly status: number;
}

export interface SendResult {
  readonly samples: Sample[];
  readonly elapsedMs: number;
  /** Requests of an open loop that found no free connection. */
  readonly unsent: number;
  /** CPU time of this process by wall time; 1 is one core. */
  readonly cpu: number;
}

const ANSWER_LIMIT_MS = 10_000;

answerTasks(async (task: SendTask): Promise<SendResult> => {
  const { url, requests, connections, seconds, rate } = task;
  const idle = await Promise.all(Array.from({ length: connections }, () => Connection.open(new URL(url))));
  const all = [...idle];
  const samples: Sample[] = [];
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  let sent = 0;
  const send = async (connection: Connection, at: number): Promise<void> => {
    const request = sent++ % requests.length;
    const status = await connection.send(requests[request]!);
    samples.push({ request, at: at - startedAt, ms: performance.now() - at, status });
  };
  const unsent = rate === undefined ? await closed() : await open(rate);
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  for (const connection of all) connection.close();
  return { samples, elapsedMs, unsent, cpu: (user + system) / 1000 / elapsedMs };

  async function closed(): Promise<number> {
    const worker = async (connection: Connection) => {
      while (performance.now() < endsAt) await send(connection, performance.now());
    };
    await Promise.all(all.map(worker));
    return 0;
  }

  async function open(perSecond: number): Promise<number> {
    const random = seededRandom(perSecond);
    let lost = 0;
    let nextAt = startedAt;
    while (nextAt < endsAt) {
      await delay(1);
      const now = performance.now();
      for (; nextAt <= now && nextAt < endsAt; nextAt += (-Math.log(1 - random()) / perSecond) * 1000) {
        const connection = idle.pop();
        if (connection) void send(connection, now).then(() => idle.push(connection));
        else lost++;
      }
    }
    const limit = performance.now() + ANSWER_LIMIT_MS;
    while (idle.length < all.length && performance.now() < limit) await delay(1);
    return lost;
  }
});
