import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { binaryRequest } from '../../../load/scheduler/heavy-models.ts';
import type { SendResult, SendTask } from '../../../load/scheduler/sender.ts';
import { TaskProcess } from '../../../load/task-process.ts';
import { repositoryOf, slow } from '../../fixtures/models.ts';
import type { Graph } from '../../fixtures/onnx-writer.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';

const FACTOR = 10;
const CONNECTIONS = 512;
/** Requests a second, however little the model can run meanwhile. */
const LEAST_RATE = 400;
const HEALTH_LIMIT_MS = 10;
const MIB = 1024 ** 2;
/** What a model's queue may hold (`maxQueueBytes`) where nothing else is set. */
const QUEUE_BYTES = 256 * MIB;
/** A request of 128 KiB, in which the first number says how long the run is: some 50 µs a step. */
const NUMBERS = 32 * 1024;
const STEPS = 200;
/** The senders stand for other machines: they must not keep the server or the asker from a core. */
const SENDER_NICENESS = 10;
const PATHS = ['/v2/health/live', '/v2/health/ready'];
const ANSWERS = [200, 503, 504];

export const overloadHealth: Fault = {
  name: 'overload-health',
  kind: 'chaos',
  promise:
    'ten times as many requests come as a model can run; what is not run is refused with 503, live and ready stay 200 and fast, and the memory of the server grows by no more than its queue may hold',
  async run({ length, progress }) {
    const seconds = length === 'short' ? 1 : 30;
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': wide() });
    const args = ['--batching', 'off', '--threads', '1', '--log-level', 'error'];
    await using server = await ServerUnderTest.start({ models: repository.path, args });
    const sender = new TaskProcess<SendTask, SendResult>(
      new URL('../../../load/scheduler/sender.ts', import.meta.url),
      SENDER_NICENESS,
    );
    try {
      const url = new URL('/v2/models/m/infer', server.url);
      const data = new Float32Array(NUMBERS).fill(STEPS);
      const requests = [binaryRequest(url, [{ name: 'x', datatype: 'FP32', shape: [1, NUMBERS], data }])];
      const calm = { url: url.href, requests, connections: 2, seconds: length === 'short' ? 0.5 : 5 };
      const { samples: taken, elapsedMs } = await sender.ask(calm);
      const rate = Math.max(LEAST_RATE, Math.round((FACTOR * taken.length * 1000) / elapsedMs));
      const before = server.residentBytes;
      let peak = before;
      const watch = setInterval(() => {
        peak = Math.max(peak, server.residentBytes);
      }, 50);
      const load = sender.ask({ ...calm, connections: CONNECTIONS, seconds, rate });
      const times = await askUntil(load, server.url, tally, (done) => progress(done, seconds));
      clearInterval(watch);
      const { samples, unsent } = await load;
      for (const { status } of samples) {
        tally.count(ANSWERS.includes(status) ? undefined : `a request was answered ${status}`);
      }
      const p99 = times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) * 0.99)]!;
      const grown = (peak - before) / MIB;
      if (length === 'full') {
        tally.count(p99 < HEALTH_LIMIT_MS ? undefined : `health p99 ${p99.toFixed(1)} ms`);
        tally.count(grown * MIB < QUEUE_BYTES ? undefined : `memory grew by ${grown.toFixed(0)} MiB`);
      }
      const refused = samples.filter(({ status }) => status === 503).length;
      return tally.outcome(
        `${rate} requests/s offered, ${refused.toLocaleString('en')} refused, health p99 ${p99.toFixed(1)} ms (limit ${HEALTH_LIMIT_MS} ms), memory + ${grown.toFixed(0)} MiB (limit ${QUEUE_BYTES / MIB} MiB)`,
        { rate, refused, unsent, healthP99Ms: p99, grownBytes: peak - before },
      );
    } finally {
      sender.end();
    }
  },
};

/** Asks for health in turn until the load is over. @returns latencies in milliseconds */
async function askUntil(load: Promise<unknown>, url: string, tally: Tally, onSecond: (done: number) => void) {
  const times: number[] = [];
  const agent = new Agent({ keepAlive: true });
  const started = performance.now();
  let over = false;
  void load.finally(() => {
    over = true;
  });
  for (let i = 0; !over; i++) {
    const path = PATHS[i % PATHS.length]!;
    const at = performance.now();
    const status = await ask(agent, `${url}${path}`);
    times.push(performance.now() - at);
    tally.count(status === 200 ? undefined : `${path}: ${status}`);
    onSecond((at - started) / 1000);
    await delay(2);
  }
  agent.destroy();
  return times;
}

function ask(agent: Agent, url: string): Promise<number | string> {
  return new Promise((resolve) => {
    const request = get(url, { agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode!));
    });
    request.once('error', ({ message }) => resolve(message));
  });
}

/** As `slow`, with a long row in and a short one out. */
function wide(): Graph {
  const graph = slow();
  const [last] = graph.nodes.slice(-1);
  return {
    ...graph,
    nodes: [...graph.nodes.slice(0, -1), { ...last!, inputs: ['steps', 'zero'], outputs: ['y'] }],
    inputs: [{ name: 'x', type: 'float', shape: ['batch', 'numbers'] }],
    outputs: [{ name: 'y', type: 'float', shape: [] }],
  };
}
