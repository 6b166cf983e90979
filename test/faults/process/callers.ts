// Clients that keep models busy while something goes wrong: each asks one request after the other on a connection that it
// keeps, and looks at the numbers of every answer.

import { Agent, request } from 'node:http';
import { Tally } from '../fault.ts';

/** What is asked, and what the answer's first output must be. */
export interface Question {
  readonly path: string;
  readonly body: string;
  readonly answer: readonly number[];
}

export interface Calling {
  /** Of a server, or of a proxy in front of it. */
  readonly url: string;
  readonly clients: number;
  /** @param n counts the questions of all clients from 0 */
  ask(n: number): Question;
  /** How often a question is asked again after its connection has broken; 0 by default. */
  readonly retries?: number;
}

export class Callers {
  readonly tally = new Tally();
  /** Requests whose connection broke, those that were asked again with success among them. */
  broken = 0;
  /** Longest time without any answer, in milliseconds. */
  longestGapMs = 0;
  #calling: Calling;
  #asked = 0;
  #answeredAt = performance.now();
  #running = true;
  #clients: Promise<void>[];

  constructor(calling: Calling) {
    this.#calling = calling;
    this.#clients = Array.from({ length: calling.clients }, () => this.#client());
  }

  get answered(): number {
    return this.tally.cases;
  }

  /** Resolves when so many more have been answered. */
  async more(answers: number): Promise<void> {
    const enough = this.answered + answers;
    while (this.answered < enough) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Lets every client end with the answer it waits for. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#clients);
  }

  async #client(): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (this.#running) {
      const question = this.#calling.ask(this.#asked++);
      let failure = await this.#call(agent, question);
      for (let i = 0; i < (this.#calling.retries ?? 0) && failure?.startsWith(BROKEN); i++) {
        failure = await this.#call(agent, question);
      }
      const now = performance.now();
      this.longestGapMs = Math.max(this.longestGapMs, now - this.#answeredAt);
      this.#answeredAt = now;
      this.tally.count(failure);
    }
    agent.destroy();
  }

  /** @returns what was wrong */
  #call(agent: Agent, { path, body, answer }: Question): Promise<string | undefined> {
    return new Promise((resolve) => {
      const broke = (error: Error) => {
        this.broken++;
        resolve(`${BROKEN}: ${error.message}`);
      };
      const call = request(`${this.#calling.url}${path}`, { agent, method: 'POST' }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.once('error', broke).once('end', () => resolve(judge(response.statusCode!, text, answer)));
      });
      call
        .once('error', broke)
        .setTimeout(ANSWER_LIMIT_MS, () => call.destroy(new Error('no answer')))
        .end(body);
    });
  }
}

const BROKEN = 'the connection broke';
const ANSWER_LIMIT_MS = 40_000;

/** Asks each of the models in turn for the double of two numbers, which tell the questions apart. */
export function doubles(models: readonly string[]): (n: number) => Question {
  return (n) => {
    const data = [n % 65_536, -n % 1000];
    return question(
      models[n % models.length]!,
      'FP32',
      data,
      data.map((value) => 2 * value),
    );
  };
}

/** A row of numbers for the input `x`. */
export function question(
  model: string,
  datatype: string,
  data: readonly number[],
  answer: readonly number[],
): Question {
  const body = JSON.stringify({ inputs: [{ name: 'x', shape: [1, data.length], datatype, data }] });
  return { path: `/v2/models/${model}/infer`, body, answer };
}

function judge(status: number, text: string, answer: readonly number[]): string | undefined {
  if (status !== 200) return `answered ${status}: ${text.slice(0, 200)}`;
  const { data } = JSON.parse(text).outputs[0];
  const right = data.length === answer.length && answer.every((value, i) => value === data[i]);
  return right ? undefined : `asked for ${answer}, got ${data}`;
}
