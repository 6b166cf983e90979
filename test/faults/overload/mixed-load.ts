// All that clients do, at random moments of a fixed rate: small and large bodies, JSON and binary, mistakes, and leaving
// before the answer; beside them scrapes of the metrics and reloads.

import { Agent, request as httpRequest, type OutgoingHttpHeaders } from 'node:http';
import { seededRandom } from '../../../load/random.ts';
import { doubling, identity, lookup, repositoryOf, sequences, slow, strings } from '../../fixtures/models.ts';

const CONNECTIONS = 16;
const TICK_MS = 5;
const LARGE = 500_000;
const ABORT_AFTER_MS = 20;

export function mixedModels() {
  return repositoryOf({
    'doubling/model.onnx': doubling(),
    'lookup/model.onnx': lookup(),
    'strings/model.onnx': strings(),
    'sequences/model.onnx': sequences(),
    'slow/model.onnx': slow(),
    'wide/model.onnx': identity('float', ['batch', 'numbers']),
  });
}

interface Kind {
  /** Of so many requests one is of this kind, on average. */
  readonly oneIn: number;
  readonly path: string;
  readonly expected: number;
  readonly body: Buffer;
  readonly headers?: OutgoingHttpHeaders | undefined;
  /** The client leaves while it is answered. */
  readonly aborts?: boolean | undefined;
}

const infer = (model: string) => `/v2/models/${model}/infer`;
const json = (...inputs: readonly object[]) => Buffer.from(JSON.stringify({ inputs }));
const floats = (name: string, data: readonly number[]) => ({ name, shape: [1, data.length], datatype: 'FP32', data });
const integers = (name: string, shape: readonly number[], data: readonly number[]) => ({
  name,
  shape,
  datatype: 'INT64',
  data,
});
const numbers = Array.from({ length: LARGE }, (_, i) => ((i * 7919) % 1e5) / 1e5);

/** The rest is small JSON. */
const COMMON: Kind = { oneIn: 1, path: infer('doubling'), expected: 200, body: json(floats('x', [1, 2])) };
const KINDS: readonly Kind[] = [
  { oneIn: 3, path: infer('doubling'), expected: 200, ...binary([1, 2]) },
  {
    oneIn: 10,
    path: infer('sequences'),
    expected: 200,
    body: json(integers('x', [1, 4], [1, 2, 3, 4]), integers('mask', [1, 4], [1, 1, 1, 0])),
  },
  {
    oneIn: 10,
    path: infer('strings'),
    expected: 200,
    body: json({ name: 'x', shape: [2], datatype: 'BYTES', data: ['a', 'ü'.repeat(100)] }),
  },
  { oneIn: 20, path: infer('lookup'), expected: 422, body: json(integers('x', [1], [9])) },
  { oneIn: 20, path: infer('lookup'), expected: 400, body: Buffer.from('{"inputs": [') },
  { oneIn: 20, path: infer('nothing'), expected: 404, body: json(floats('x', [1])) },
  { oneIn: 20, path: infer('slow'), expected: 0, aborts: true, body: json(floats('x', [600])) },
  { oneIn: 500, path: infer('wide'), expected: 200, body: json(floats('x', numbers)) },
  { oneIn: 500, path: infer('wide'), expected: 200, ...binary(numbers) },
];

function binary(data: readonly number[]): Pick<Kind, 'body' | 'headers'> {
  const tensor = { name: 'x', shape: [1, data.length], datatype: 'FP32' };
  const parameters = { binary_data_size: data.length * Float32Array.BYTES_PER_ELEMENT };
  const request = { parameters: { binary_data_output: true }, inputs: [{ ...tensor, parameters }] };
  const header = Buffer.from(JSON.stringify(request));
  return {
    body: Buffer.concat([header, Buffer.from(Float32Array.from(data).buffer)]),
    headers: { 'inference-header-content-length': header.length },
  };
}

export interface MixedLoadOptions {
  readonly url: string;
  readonly seed: number;
  /** Requests a second. */
  readonly rate: number;
  readonly reloadEveryMs: number;
  readonly scrapeEveryMs: number;
  /** Told of every answer, with a sentence when it is not the one expected. */
  onAnswer(failure?: string): void;
}

export class MixedLoad {
  readonly #options: MixedLoadOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  readonly #random: () => number;
  readonly #timers: NodeJS.Timeout[];
  readonly #running = new Set<Promise<void>>();
  #latencies: number[] = [];
  #nextAt = performance.now();
  #reloads = 0;

  constructor(options: MixedLoadOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#timers = [
      setInterval(() => this.#sendDue(), TICK_MS),
      setInterval(() => this.#reload(), options.reloadEveryMs),
      setInterval(() => this.#scrape(), options.scrapeEveryMs),
    ];
    // One of each, so that what starts with the first of its kind has started, however short the load is.
    for (const kind of KINDS) this.#ask(kind);
    this.#reload();
    this.#scrape();
  }

  /** Of the small ones answered since it was asked last, in milliseconds. */
  takeLatencies(): number[] {
    const latencies = this.#latencies;
    this.#latencies = [];
    return latencies;
  }

  /** Sends no more; resolves when all are answered and all connections are closed. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#running);
    this.#agent.destroy();
  }

  #sendDue(): void {
    const { rate } = this.#options;
    for (; this.#nextAt <= performance.now(); this.#nextAt += (-Math.log(1 - this.#random()) / rate) * 1000) {
      this.#ask(KINDS.find(({ oneIn }) => this.#random() * oneIn < 1) ?? COMMON);
    }
  }

  #ask(kind: Kind): void {
    this.#start({ method: 'POST', ...kind, measured: kind.expected === 200 && kind.path !== infer('wide') });
  }

  #scrape(): void {
    this.#start({ method: 'GET', path: '/metrics', expected: 200 });
  }

  /** Models that are small and always asked, in turn. */
  #reload(): void {
    const model = ['doubling', 'sequences', 'strings'][this.#reloads++ % 3]!;
    this.#start({ method: 'POST', path: `/v2/repository/models/${model}/load`, expected: 200 });
  }

  #start(call: Call): void {
    const startedAt = performance.now();
    const running = this.#send(call).then((status) => {
      this.#running.delete(running);
      if (call.measured) this.#latencies.push(performance.now() - startedAt);
      const wrong = status !== call.expected && !(call.aborts && status === 200);
      this.#options.onAnswer(wrong ? `${call.path} gave ${status} instead of ${call.expected}` : undefined);
    });
    this.#running.add(running);
  }

  /** @returns the status, or 0 where there is no whole answer */
  #send({ method, path, body, headers = {}, aborts }: Call): Promise<number> {
    return new Promise((resolve) => {
      const request = httpRequest(`${this.#options.url}${path}`, { agent: this.#agent, method, headers });
      request.on('response', (response) => {
        response.resume();
        response.on('close', () => resolve(response.complete ? response.statusCode! : 0));
      });
      request.on('error', () => resolve(0));
      request.end(body);
      if (aborts) setTimeout(() => request.destroy(), this.#random() * ABORT_AFTER_MS);
    });
  }
}

interface Call extends Pick<Kind, 'path' | 'expected' | 'headers' | 'aborts'> {
  readonly method: string;
  readonly body?: Buffer;
  readonly measured?: boolean;
}
