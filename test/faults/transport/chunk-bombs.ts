import { cpuSeconds } from '../../../load/cpu-time.ts';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { askUntil, INFER_PATH } from './normal-client.ts';
import { PeakMemory } from './peak-memory.ts';
import { sendRaw } from './raw-client.ts';

const MIB = 1024 ** 2;
const MOST_GROWTH = 64 * MIB;
const HEAD = `POST ${INFER_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`;
const ONE_BYTE = '1\r\n \r\n';

export const chunkBombs: Fault = {
  name: 'chunk-bombs',
  kind: 'fuzz',
  promise: 'a body in millions of chunks, or with an extension without an end, is refused before it has cost much',
  async run({ length, progress }) {
    const sizes = length === 'short' ? [1] : [1, 10, 60];
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling() });
    await using server = await ServerUnderTest.start({ models: repository.path, args: ['--log-level', 'error'] });
    const warm = performance.now() + 500;
    await askUntil(
      server.url,
      () => performance.now() > warm,
      () => {},
    );
    const memory = new PeakMemory(server.pid);
    let growth = 0;
    let seconds = 0;
    const send = async (name: string, statuses: readonly number[], pieces: Iterable<Buffer>) => {
      memory.reset();
      const before = cpuSeconds(server.pid) ?? 0;
      const { status, closed } = await sendRaw(server.port, pieces);
      seconds = Math.max(seconds, (cpuSeconds(server.pid) ?? 0) - before);
      growth = Math.max(growth, memory.growth);
      tally.count(statuses.includes(status) && closed ? undefined : `${name}: ${status}`);
    };
    for (const [i, size] of sizes.entries()) {
      await send(`${size} MiB in chunks of one byte`, [400], chunks(size * MIB));
      // Node answers an extension of over 16 KiB with 413.
      await send(`an extension of ${size} MiB`, [400, 413], extension(size * MIB));
      await send(`a trailer of ${size} MiB`, [400, 431], trailer(size * MIB));
      progress(i + 1, sizes.length);
    }
    tally.count(growth <= MOST_GROWTH ? undefined : `${(growth / MIB).toFixed(0)} MiB more memory`);
    return tally.outcome(
      `up to ${seconds.toFixed(2)} s of CPU time and ${(growth / MIB).toFixed(0)} MiB (limit ${MOST_GROWTH / MIB} MiB)`,
      { cpuSeconds: seconds, growth },
    );
  },
};

function* chunks(count: number): Iterable<Buffer> {
  yield Buffer.from(HEAD);
  const many = Buffer.from(ONE_BYTE.repeat(10_000));
  for (let sent = 0; sent < count; sent += 10_000) yield many;
  yield Buffer.from('0\r\n\r\n');
}

function* extension(bytes: number): Iterable<Buffer> {
  yield Buffer.from(`${HEAD}1;a=`);
  yield* repeat('b', bytes);
  yield Buffer.from('\r\n \r\n0\r\n\r\n');
}

function* trailer(bytes: number): Iterable<Buffer> {
  yield Buffer.from(`${HEAD}0\r\nA: `);
  yield* repeat('b', bytes);
  yield Buffer.from('\r\n\r\n');
}

function* repeat(text: string, bytes: number): Iterable<Buffer> {
  const piece = Buffer.alloc(64 * 1024, text);
  for (let sent = 0; sent < bytes; sent += piece.length) yield piece;
}
