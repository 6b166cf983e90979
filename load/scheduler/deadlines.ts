// Ten thousand requests with deadlines of 1 to 50 ms, ten thousand clients that go away, and one bad row in a hundred: no
// run begins late, nothing is left behind, nobody else is hurt.

import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { lookup } from '../../test/fixtures/models.ts';
import { writeOnnx } from '../../test/fixtures/onnx-writer.ts';
import { seededRandom } from '../random.ts';
import type { ServerProcess } from '../server-process.ts';
import { binaryRequest, jsonBody, tokens } from './heavy-models.ts';
import { inferUrl, metric, startOrtlet, startSender } from './ortlet.ts';
import type { Measure } from './report.ts';
import type { SendTask } from './sender.ts';
import { PROMPT_MS, quantile } from './statistics.ts';

const COUNT = 10_000;
const LONGEST_MS = 50;
const LONGEST_TOKENS = 31;
const CONNECTIONS = 32;

export const deadlines: Measure = async ({ models, flags, onProgress }) => {
  writeFileSync(join(models, 'lookup.onnx'), writeOnnx(lookup()));
  const server = await startOrtlet(models, flags);
  const faults: string[] = [];
  try {
    const rows = [];
    for (const step of [shortDeadlines, stormOfDeadlines, disconnects, badRows]) {
      rows.push(
        await step(server, faults).catch((error: Error) => {
          throw new Error(`${step.name}: ${error.message}. ${server.output}`);
        }),
      );
      onProgress();
    }
    return { title: `${COUNT} requests each`, header: ['what', 'found', 'figures'], rows, faults };
  } finally {
    await server.end();
  }
};

/** Twice as many as can be served. */
async function shortDeadlines(server: ServerProcess, faults: string[]): Promise<string[]> {
  const sender = startSender();
  const url = inferUrl(server, 'encoder').href;
  const requests = [binaryRequest(new URL(url), tokens(LONGEST_TOKENS, 1))];
  const { samples, elapsedMs } = await sender.ask({ url, requests, connections: 4, seconds: 4 });
  sender.end();
  const rate = Math.round((2 * samples.length * 1000) / elapsedMs);
  return answersToDeadlines(server, faults, { rate, connections: 16 * CONNECTIONS });
}

/** As many as clients can send that ask again as soon as they are refused. */
function stormOfDeadlines(server: ServerProcess, faults: string[]): Promise<string[]> {
  return answersToDeadlines(server, faults, { connections: CONNECTIONS });
}

async function answersToDeadlines(
  server: ServerProcess,
  faults: string[],
  load: Pick<SendTask, 'rate' | 'connections'>,
): Promise<string[]> {
  const sender = startSender();
  const url = inferUrl(server, 'encoder');
  const random = seededRandom(50);
  const limits = Array.from({ length: 500 }, () => 1 + Math.floor(random() * LONGEST_MS));
  const requests = limits.map((ms, i) =>
    binaryRequest(url, tokens(8 + (i % (LONGEST_TOKENS - 7)), i), { 'x-request-timeout-ms': ms }),
  );
  let [answered, done] = [0, 0];
  const lateness: number[] = [];
  while (done < COUNT) {
    const { samples } = await sender.ask({ url: url.href, requests, seconds: 4, ...load });
    for (const { request, ms, status } of samples) {
      done++;
      if (status === 200) answered++;
      else if (status === 503 || status === 504) lateness.push(ms - limits[request]!);
      else faults.push(`a request with a deadline was answered ${status}`);
    }
  }
  sender.end();
  const late = await metric(server, 'ortlet_late_runs_total');
  if (late !== 0) faults.push(`${late} runs began after a deadline`);
  const at = (share: number) => quantile(lateness, share).toFixed(1);
  const tardy = lateness.filter((ms) => ms > PROMPT_MS).length;
  return [
    `deadlines of 1 to ${LONGEST_MS} ms, ${done} requests, ${load.rate ? `${load.rate}/s` : 'refused ones at once again'}`,
    `${late} begun late`,
    `${answered} answered; 503 and 504 after the deadline: p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)} ms; ${tardy} of ${lateness.length} after more than ${PROMPT_MS}`,
  ];
}

async function disconnects(server: ServerProcess, faults: string[]): Promise<string[]> {
  const url = inferUrl(server, 'encoder');
  const random = seededRandom(12);
  const request = binaryRequest(url, tokens(16, 1));
  const good = jsonBody(tokens(16, 1));
  const ask = async () =>
    JSON.stringify(((await (await fetch(url, { method: 'POST', body: good })).json()) as { outputs: unknown }).outputs);
  const expected = await ask();
  let [left, wrong] = [COUNT, 0];
  const client = async () => {
    while (left-- > 0) {
      await sendAndLeave(url, request, random() * 20);
      if (left % 100 === 0 && !sameNumbers(await ask(), expected)) wrong++;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  let inside = Number.NaN;
  for (let i = 0; i < 50 && inside !== 0; i++) {
    await delay(100);
    inside = (await metric(server, 'ortlet_queue_depth'))! + (await metric(server, 'ortlet_requests_in_flight'))!;
  }
  if (inside !== 0) faults.push(`${inside} requests are still inside`);
  if (wrong > 0) faults.push(`${wrong} answers were wrong`);
  return [
    'clients that go away',
    `${inside} left inside, ${wrong} wrong answers`,
    `${COUNT / 100} answers compared in between`,
  ];
}

/** Batches of other sizes may change the last bits. */
function sameNumbers(answer: string, expected: string): boolean {
  const numbers = (text: string) => [...text.matchAll(/-?[0-9.]+(?:e-?[0-9]+)?/g)].map(Number);
  const [a, b] = [numbers(answer), numbers(expected)];
  return a.length === b.length && a.every((value, i) => Math.abs(value - b[i]!) <= 1e-4);
}

function sendAndLeave({ hostname, port }: URL, request: Buffer, afterMs: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(request));
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    setTimeout(() => socket.destroy(), afterMs);
  });
}

async function badRows(server: ServerProcess, faults: string[]): Promise<string[]> {
  const url = inferUrl(server, 'lookup');
  let [next, innocent, guilty] = [0, 0, 0];
  const client = async () => {
    for (let i = next++; i < COUNT; i = next++) {
      const bad = i % 100 === 50;
      const data = [bad ? 99 : i % 4];
      const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'INT64', shape: [1], data }] });
      const { status } = await fetch(url, { method: 'POST', body });
      if (bad && status !== 422) faults.push(`a bad row was answered ${status}`);
      if (bad) guilty++;
      else if (status !== 200) innocent++;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  if (innocent > 0) faults.push(`${innocent} good rows failed`);
  return ['one bad row in 100', `${innocent} good rows failed`, `${guilty} bad rows refused`];
}
