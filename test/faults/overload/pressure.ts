// What several faults need to press a server: a model whose runs take as long as the request says, the sender in a process
// of its own, and someone who asks for health meanwhile.

import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { binaryRequest } from '../../../load/scheduler/heavy-models.ts';
import type { SendResult, SendTask } from '../../../load/scheduler/sender.ts';
import { SENDER_FLAGS, TaskProcess } from '../../../load/task-process.ts';
import { repositoryOf, slow } from '../../fixtures/models.ts';
import type { Graph } from '../../fixtures/onnx-writer.ts';

/** It stands for another machine: it must not keep the server from a core. */
const SENDER_NICENESS = 10;
const HEALTH_EVERY_MS = 10;

export function startSender(): TaskProcess<SendTask, SendResult> {
  return new TaskProcess<SendTask, SendResult>(
    new URL('../../../load/scheduler/sender.ts', import.meta.url),
    SENDER_FLAGS,
    SENDER_NICENESS,
  );
}

/** Models that take one request at a time, of as many numbers as it likes. */
export function slowModels(...names: readonly string[]) {
  const { inputs, outputs, ...graph } = slow();
  const wide = (values: Graph['inputs']) => values.map((value) => ({ ...value, shape: ['batch', 'numbers'] }));
  const model = { ...graph, inputs: wide(inputs), outputs: wide(outputs) };
  const files = names.map((name) => [
    [`${name}/model.onnx`, model],
    [`${name}/config.yaml`, 'batching: off\nthreads: 1\n'],
  ]);
  return repositoryOf(Object.fromEntries(files.flat()));
}

export interface SlowRequest {
  /** How long the run takes: each is some 50 µs. */
  readonly steps: number;
  /** Size of the tensor. */
  readonly bytes?: number;
  readonly timeoutMs?: number;
}

export function slowRequest(server: string, model: string, { steps, bytes = 4, timeoutMs }: SlowRequest): Buffer {
  const data = new Float32Array(bytes / Float32Array.BYTES_PER_ELEMENT);
  data[0] = steps;
  const tensor = { name: 'x', datatype: 'FP32', shape: [1, data.length], data } as const;
  const headers: Record<string, number> = timeoutMs === undefined ? {} : { 'x-request-timeout-ms': timeoutMs };
  return binaryRequest(new URL(`/v2/models/${model}/infer`, server), [tensor], headers);
}

/** Asks again and again whether the server lives and is ready, as an orchestrator does. */
export class HealthWatch {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #times: number[] = [];
  readonly #ended: Promise<void>;
  #failures = 0;
  #stopped = false;

  constructor(server: string) {
    this.#ended = this.#watch(['live', 'ready'].map((what) => `${server}/v2/health/${what}`));
  }

  /** @returns how long each answer took, in milliseconds, and how many were missing or not 200 */
  async stop(): Promise<{ readonly times: readonly number[]; readonly failures: number }> {
    this.#stopped = true;
    await this.#ended;
    this.#agent.destroy();
    return { times: this.#times, failures: this.#failures };
  }

  async #watch(urls: readonly string[]): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const askedAt = performance.now();
      const status = await this.#ask(urls[i % urls.length]!);
      this.#times.push(performance.now() - askedAt);
      if (status !== 200) this.#failures++;
      await delay(HEALTH_EVERY_MS);
    }
  }

  #ask(url: string): Promise<number> {
    return new Promise((resolve) => {
      const request = httpRequest(url, { agent: this.#agent }, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode!));
      });
      request.on('error', () => resolve(0));
      request.end();
    });
  }
}

/** A metric's values added up over its labels, those of one model where it is given. */
export async function metric(server: string, name: string, model = ''): Promise<number> {
  const text = await (await fetch(`${server}/metrics`)).text();
  const label = model && `[^}]*model="${model}"`;
  const lines = text.matchAll(new RegExp(`^${name}(?:\\{${label}[^}]*\\})? (\\S+)$`, 'gm'));
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}
