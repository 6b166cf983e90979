// A server of ours under test, with its sender.

import { fileURLToPath } from 'node:url';
import { freePort, ServerProcess } from '../server-process.ts';
import { SENDER_FLAGS, TaskProcess } from '../task-process.ts';
import type { SendResult, SendTask } from './sender.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** @param flags settings as `ortlet serve` takes them */
export async function startOrtlet(models: string, flags: readonly string[] = []): Promise<ServerProcess> {
  const port = await freePort();
  const server = new ServerProcess('Ortlet', port, [
    MAIN,
    'serve',
    models,
    '--port',
    String(port),
    '--log-level',
    'warn',
    ...flags,
  ]);
  await server.ready();
  return server;
}

export function startSender(): TaskProcess<SendTask, SendResult> {
  return new TaskProcess<SendTask, SendResult>(new URL('./sender.ts', import.meta.url), SENDER_FLAGS);
}

export function inferUrl(server: ServerProcess, model: string): URL {
  return new URL(`/v2/models/${model}/infer`, server.url);
}

/** A metric's values added up over its labels; undefined where the server has none of that name. */
export async function metric(server: ServerProcess, name: string): Promise<number | undefined> {
  const text = await (await fetch(new URL('/metrics', server.url))).text();
  const values = [...text.matchAll(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'gm'))].map((match) => Number(match[1]));
  return values.length > 0 ? values.reduce((sum, value) => sum + value, 0) : undefined;
}
