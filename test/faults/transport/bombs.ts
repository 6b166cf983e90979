import { setTimeout as delay } from 'node:timers/promises';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { bomb, manyNames, PIECES, PLACES } from '../../fixtures/worst-bodies.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { PACKED_BOMBS, type PackedBomb } from './packed-bombs.ts';
import { PeakMemory } from './peak-memory.ts';
import { post, sendRaw } from './raw-client.ts';

const MIB = 1024 ** 2;
const PATH = '/v2/models/m/infer';
/** The rule that SECURITY.md publishes: the larger of the two. */
const MOST_TIMES = 20;
const LEAST_ALLOWED = 64 * MIB;
const MAX_BODY_BYTES = 64 * MIB;
/** Of these the largest body that is taken is sent too. */
const WORST_AGAIN = 3;

interface Measured {
  readonly name: string;
  /** As it is when unpacked, up to the limit on it. */
  readonly bytes: number;
  readonly growth: number;
}

export const bombs: Fault = {
  name: 'bombs',
  kind: 'fuzz',
  promise: `packed bombs and the worst bodies in JSON and binary are refused, and take at most ${MOST_TIMES} times the unpacked body in memory, or 64 MiB`,
  async run({ length, progress }) {
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling() });
    const short = length === 'short';
    const bytes = (short ? 4 : 16) * MIB;
    const places = short ? PLACES.slice(0, 3) : PLACES;
    const pieces = short ? PIECES.filter((_, i) => i % 5 === 3) : PIECES;
    const packed = short ? PACKED_BOMBS.filter(({ name }) => !name.startsWith('10 GiB in 10 kB')) : PACKED_BOMBS;
    const total = packed.length + places.length + WORST_AGAIN;
    const all: Measured[] = [];

    /** Sends bodies one after the other to a server of their own. */
    const measure = async (
      bodies: readonly { name: string; headers?: Record<string, string>; text: () => string }[],
    ) => {
      await using target = await Target.start(repository.path);
      for (const { name, headers = {}, text } of bodies) {
        const body = Buffer.from(text());
        const { status, growth } = await target.send(post(PATH, headers, body));
        all.push({ name, bytes: body.length, growth });
        tally.count(faultOf(name, status, [200, 400, 404, 413], body.length, growth));
      }
    };

    let done = 0;
    {
      await using target = await Target.start(repository.path);
      for (const one of packed) {
        const { status, growth } = await target.send(chunked(one));
        all.push({ name: one.name, bytes: MAX_BODY_BYTES, growth });
        tally.count(faultOf(one.name, status, [one.status], MAX_BODY_BYTES, growth));
        progress(++done, total);
      }
    }
    for (const place of places) {
      await measure(pieces.map((piece) => ({ name: `${piece} in ${place}`, text: () => bomb(place, [piece], bytes) })));
      progress(++done, total);
    }
    await measure(manyNames(bytes / 12).map((text) => ({ name: text.slice(0, 60), text: () => text })));
    // The same as the JSON part of a binary request.
    await measure(
      places.map((place) => {
        const text = bomb(place, ['[1]'], bytes);
        return {
          name: `binary: ${place}`,
          headers: { 'inference-header-content-length': String(text.length) },
          text: () => text,
        };
      }),
    );
    if (!short) {
      const worst = all.filter(({ bytes }) => bytes < MAX_BODY_BYTES).toSorted((a, b) => timesOf(b) - timesOf(a));
      for (const { name } of worst.slice(0, WORST_AGAIN)) {
        const [piece, place] = name.split(' in ');
        if (place) await measure([{ name, text: () => bomb(place, [piece!], MAX_BODY_BYTES - 200) }]);
        progress(++done, total);
      }
    }
    if (process.env.DBG)
      for (const one of all.toSorted((a, b) => timesOf(b) - timesOf(a)))
        console.log(timesOf(one).toFixed(1), one.name.slice(0, 120));
    const times = all.toSorted((a, b) => timesOf(b) - timesOf(a))[0]!;
    const share = Math.max(...all.map(({ bytes, growth }) => growth / allowance(bytes)));
    const packedGrowth = Math.max(...all.slice(0, packed.length).map(({ growth }) => growth));
    return tally.outcome(
      `${timesOf(times).toFixed(1)} times the body (limit ${MOST_TIMES}, or 64 MiB: at most ${(share * 100).toFixed(0)} % of what is allowed); packed bombs ${(packedGrowth / MIB).toFixed(0)} MiB`,
      { times: timesOf(times), shareOfAllowance: share, packedBombBytes: packedGrowth },
    );
  },
};

/** A server with the memory that it takes over what it has at rest. */
class Target {
  #server: ServerUnderTest;
  #memory: PeakMemory;

  private constructor(server: ServerUnderTest) {
    this.#server = server;
    this.#memory = new PeakMemory(server.pid);
  }

  static async start(models: string): Promise<Target> {
    const args = ['--log-level', 'warn', '--max-body-bytes', String(MAX_BODY_BYTES)];
    const server = await ServerUnderTest.start({ models, args });
    // The first large body starts the thread that decodes such bodies.
    await sendRaw(server.port, post(PATH, {}, Buffer.from(bomb(PLACES[0]!, ['1'], MIB))));
    return new Target(server);
  }

  async send(sent: Buffer | Iterable<Buffer>): Promise<{ status: number; growth: number }> {
    this.#memory.reset();
    const { status } = await sendRaw(this.#server.port, sent);
    const { growth } = this.#memory;
    await delay(0);
    return { status, growth };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}

function faultOf(
  name: string,
  status: number,
  expected: readonly number[],
  bytes: number,
  growth: number,
): string | undefined {
  if (!expected.includes(status)) return `${name}: status ${status}, not ${expected.join(' or ')}`;
  if (growth <= allowance(bytes)) return undefined;
  return `${name}: ${(growth / MIB).toFixed(0)} MiB for a body of ${(bytes / MIB).toFixed(1)} MiB`;
}

function allowance(bytes: number): number {
  return Math.max(MOST_TIMES * bytes, LEAST_ALLOWED);
}

function timesOf({ bytes, growth }: Measured): number {
  return growth / bytes;
}

function* chunked({ encoding, pieces }: PackedBomb): Iterable<Buffer> {
  const head = `POST ${PATH} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-encoding: ${encoding}\r\n`;
  yield Buffer.from(`${head}transfer-encoding: chunked\r\n\r\n`);
  for (const piece of pieces()) {
    yield Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]);
  }
  yield Buffer.from('0\r\n\r\n');
}
