// Clients that keep models busy while something is done to the server: each sends its next request when its answer is
// there, and looks at every answer.

import type { Tally } from '../fault.ts';

export interface Answer {
  readonly status: number;
  /** Of an answer that is no JSON: its text. */
  readonly body: { readonly error?: string; readonly outputs?: readonly { readonly data: readonly unknown[] }[] };
}

export async function infer(url: string, model: string, inputs: readonly object[], more = {}): Promise<Answer> {
  return await post(`${url}/v2/models/${model}/infer`, { inputs, ...more });
}

export async function control(url: string, model: string, action: 'load' | 'unload', parameters = {}): Promise<Answer> {
  return await post(`${url}/v2/repository/models/${model}/${action}`, { parameters });
}

async function post(url: string, body: object): Promise<Answer> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  const text = await response.text();
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : {} };
}

/** The input of models that take rows of two numbers. */
export const ROW = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }];

/** Whether y was x, or one of several multiples of it, for `ROW`. @returns what is wrong otherwise */
export function multipleOf(...factors: readonly number[]): (answer: Answer) => string | undefined {
  return ({ status, body }) => {
    const [first, second] = body.outputs?.[0]?.data ?? [];
    const right = status === 200 && factors.some((factor) => first === factor && second === 2 * factor);
    return right ? undefined : `${status}: ${JSON.stringify(body).slice(0, 200)}`;
  };
}

/** Keeps `count` requests under way until it is ended; counts each. */
export function keepBusy(tally: Tally, count: number, ask: () => Promise<Answer>, check: Check) {
  let running = true;
  const clients = Array.from({ length: count }, async () => {
    while (running) {
      const answer = await ask().catch((error: Error) => `no answer: ${error.message}`);
      tally.count(typeof answer === 'string' ? answer : check(answer));
    }
  });
  return {
    async end(): Promise<void> {
      running = false;
      await Promise.all(clients);
    },
  };
}

type Check = (answer: Answer) => string | undefined;

/** The sum of the series that begin so; 0 where there is none. */
export async function metric(url: string, series: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(series));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}
