import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../../load/random.ts';
import { doubling, repositoryOf, slow } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { openSocket } from './raw-client.ts';

const AT_ONCE = 50;
const LIMIT_MS = 30_000;
/** What must be back at 0 when the clients have gone. */
const LEFT = /^ortlet_(?:queue_depth|requests_in_flight|uncaught_errors_total)(?:\{[^}]*\})? (\d+)/gm;

export const aborts: Fault = {
  name: 'aborts',
  kind: 'chaos',
  promise:
    'clients go away at random moments, with and without a reset: nothing is left in a queue, nothing is uncaught, and the next answers are right',
  async run({ length, seed, progress }) {
    const times = length === 'short' ? 300 : 10_000;
    const random = seededRandom(seed);
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling(), 'slow.onnx': slow() });
    await using server = await ServerUnderTest.start({ models: repository.path, args: ['--log-level', 'error'] });
    const requests = [
      request('m', [1, 2], [1, 2]),
      request('slow', [1, 1], [40]),
      request('m', [20_000, 2], filled(40_000)),
    ];
    let done = 0;
    const abortAgain = async () => {
      while (done < times) {
        progress(++done, times);
        const socket = await openSocket(server.port);
        const sent = requests[Math.floor(random() * requests.length)]!;
        const part = random() < 0.3 ? sent.subarray(0, Math.floor(random() * sent.length)) : sent;
        socket.write(part);
        await delay(random() * 20);
        if (random() < 0.5) socket.resetAndDestroy();
        else socket.destroy();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, abortAgain));
    let left = Number.POSITIVE_INFINITY;
    for (const end = performance.now() + LIMIT_MS; left > 0 && performance.now() < end; await delay(20)) {
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      left = [...metrics.matchAll(LEFT)].reduce((sum, [, value]) => sum + Number(value), 0);
    }
    tally.cases += times - 1;
    tally.count(left === 0 ? undefined : `${left} requests are left, or errors were uncaught`);
    for (let i = 0; i < 20; i++) {
      const response = await fetch(`${server.url}/v2/models/m/infer`, { method: 'POST', body: body([1, 2], [i, -i]) });
      const { outputs } = (await response.json()) as { outputs?: { data: number[] }[] };
      const right = response.ok && outputs?.[0]?.data[0] === 2 * i && outputs[0].data[1] === -2 * i;
      tally.count(right ? undefined : `answer ${i} afterwards: ${response.status} ${JSON.stringify(outputs)}`);
    }
    tally.count(server.running && !/Unhandled|uncaught/.test(server.output) ? undefined : server.output);
    return tally.outcome(`${times} aborts, ${left} requests left behind`, { left });
  },
};

function body(shape: readonly number[], data: readonly number[]): string {
  return JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape, data }] });
}

function request(model: string, shape: readonly number[], data: readonly number[]): Buffer {
  const text = body(shape, data);
  return Buffer.from(
    `POST /v2/models/${model}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
  );
}

function filled(length: number): readonly number[] {
  return new Array<number>(length).fill(0.5);
}
