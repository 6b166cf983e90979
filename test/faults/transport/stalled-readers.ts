import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { quantile } from '../../../load/scheduler/statistics.ts';
import { doubling, identity, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { askUntil } from './normal-client.ts';
import { PeakMemory } from './peak-memory.ts';
import { openSocket } from './raw-client.ts';

const MIB = 1024 ** 2;
/** A stalled reader lives so long, and is looked at every 5 s. */
const LIMIT_S = 20;
const LATE_S = 12;
const MOST_TIMES = 2;
const STATUS_LINE = 'HTTP/1.1 200';

export const stalledReaders: Fault = {
  name: 'stalled-readers',
  kind: 'chaos',
  promise:
    'clients ask for large answers and do not read them: memory stays near `maxInFlightBytes`, they are ended, others are answered as before',
  async run({ length, progress }) {
    const short = length === 'short';
    const readers = short ? 12 : 100;
    const answerBytes = (short ? 6 : 32) * MIB;
    const maxInFlightBytes = (short ? 24 : 256) * MIB;
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling(), 'large.onnx': identity('float', ['batch', 'columns']) });
    const args = ['--log-level', 'error', '--max-in-flight-bytes', String(maxInFlightBytes)];
    await using server = await ServerUnderTest.start({ models: repository.path, args });
    const ask = (until: () => boolean) =>
      askUntil(server.url, until, (status) =>
        tally.count(status === 200 ? undefined : `a normal request was answered with ${status}`),
      );
    const quietEnd = performance.now() + (short ? 300 : 10_000);
    const quiet = quantile(await ask(() => performance.now() > quietEnd), 0.99);

    const memory = new PeakMemory(server.pid);
    memory.reset();
    const request = largeRequest(answerBytes);
    const sockets: Socket[] = [];
    const filesAtRest = openFiles(server.pid);
    let stalled = false;
    const whileStalling = ask(() => stalled);
    // One after the other, so that it is the answers which pile up.
    let refused = 0;
    for (let i = 0; i < readers; i++) {
      const socket = await stall(server.port, request);
      if (socket) sockets.push(socket);
      else refused++;
      progress(i + 1, readers);
    }
    stalled = true;
    await whileStalling;
    const held = sockets.length;
    const { growth } = memory;
    let over = false;
    const asking = ask(() => over);
    const ended = Promise.all(sockets.map((socket) => (socket.destroyed ? undefined : once(socket, 'close'))));
    const started = performance.now();
    // Reading nothing, a client does not see that its connection has ended; the server counts them.
    let open = held;
    while (!short && open > 1 && performance.now() - started < (LIMIT_S + LATE_S) * 1000) {
      await delay(250);
      open = openFiles(server.pid) - filesAtRest;
    }
    const seconds = (performance.now() - started) / 1000;
    if (short) await delay(300);
    over = true;
    const busy = quantile(await asking, 0.99);
    for (const socket of sockets) socket.destroy();
    await ended;
    // Bodies on their way in and answers on their way out, beside the tensors between them.
    const limit = 3 * maxInFlightBytes + 64 * MIB;
    tally.count(held > 1 ? undefined : `of ${readers} readers ${refused} were refused`);
    tally.count(
      growth <= limit ? undefined : `${(growth / MIB).toFixed(0)} MiB more memory (limit ${limit / MIB} MiB)`,
    );
    if (!short) {
      tally.count(open <= 1 ? undefined : `${open - 1} connections are open after ${seconds.toFixed(1)} s`);
      tally.count(busy < MOST_TIMES * quiet ? undefined : `p99 ${busy.toFixed(1)} ms beside ${quiet.toFixed(1)} ms`);
    }
    return tally.outcome(
      `${held} readers of ${answerBytes / MIB} MiB, ${refused} refused, ${(growth / MIB).toFixed(0)} MiB more memory (maxInFlightBytes ${maxInFlightBytes / MIB} MiB), gone after ${seconds.toFixed(1)} s, p99 of others ${busy.toFixed(1)} ms beside ${quiet.toFixed(1)} ms`,
      { growth, maxInFlightBytes, seconds, quietP99: quiet, busyP99: busy },
    );
  },
};

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Asks, waits until the answer begins to come, and reads no more. @returns undefined where it was refused */
async function stall(port: number, request: Buffer): Promise<Socket | undefined> {
  const socket = await openSocket(port);
  socket.write(request);
  await Promise.race([once(socket, 'readable'), once(socket, 'close')]).catch(() => {});
  const head: Buffer | null = socket.read(STATUS_LINE.length);
  if (head?.toString() === STATUS_LINE) return socket;
  socket.destroy();
  return undefined;
}

/** Binary, both ways. */
function largeRequest(bytes: number): Buffer {
  const json = JSON.stringify({
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1, bytes / 4], parameters: { binary_data_size: bytes } }],
    parameters: { binary_data_output: true },
  });
  const head = `POST /v2/models/large/infer HTTP/1.1\r\nHost: localhost\r\nInference-Header-Content-Length: ${json.length}\r\n`;
  return Buffer.concat([
    Buffer.from(`${head}Content-Length: ${json.length + bytes}\r\n\r\n${json}`),
    Buffer.alloc(bytes),
  ]);
}
