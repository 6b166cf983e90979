import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { quantile } from '../../../load/scheduler/statistics.ts';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { askUntil, INFER_PATH } from './normal-client.ts';
import { openSocket, statusOf } from './raw-client.ts';

const HEAD = `POST ${INFER_PATH} HTTP/1.1\r\nHost: localhost\r\n`;
/** How late a limit may be kept: it is looked at every 5 s, and we wait for the loop that sees it. */
const LATE_S = 7;
const MOST_TIMES = 2;

interface Slowness {
  readonly name: string;
  readonly first: string;
  /** What follows, again and again. */
  readonly next: string;
  readonly everyMs: number;
  /** How long the server may let it live. */
  readonly limitS: number;
  /** Of all sockets. */
  readonly share: number;
}

const KINDS: readonly Slowness[] = [
  { name: 'silent', first: '', next: '', everyMs: 0, limitS: 20, share: 0.2 },
  { name: 'a head that stops', first: HEAD, next: '', everyMs: 0, limitS: 20, share: 0.15 },
  { name: 'a slow head', first: HEAD, next: 'a: 1\r\n', everyMs: 2000, limitS: 20, share: 0.2 },
  {
    name: 'a body that stops',
    first: `${HEAD}Content-Length: 900\r\n\r\n{`,
    next: '',
    everyMs: 0,
    limitS: 25,
    share: 0.15,
  },
  {
    name: 'a slow body',
    first: `${HEAD}Content-Length: 9000\r\n\r\n{`,
    next: ' ',
    everyMs: 2000,
    limitS: 25,
    share: 0.2,
  },
  {
    name: 'a body just fast enough',
    first: `${HEAD}Content-Length: 1000000\r\n\r\n{`,
    next: ' '.repeat(4000),
    everyMs: 2000,
    limitS: 120,
    share: 0.1,
  },
];

export const slowSockets: Fault = {
  name: 'slow-sockets',
  kind: 'chaos',
  promise:
    'clients that are silent, or send heads and bodies byte by byte, are ended at the limits, and a normal client is answered as before',
  async run({ length, progress }) {
    const short = length === 'short';
    const sockets = short ? 100 : 2000;
    const quietMs = short ? 500 : 20_000;
    const heldMs = short ? 2000 : (Math.max(...KINDS.map(({ limitS }) => limitS)) + LATE_S) * 1000;
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling() });
    await using server = await ServerUnderTest.start({ models: repository.path, args: ['--log-level', 'error'] });
    const ask = async (ms: number) => {
      const end = performance.now() + ms;
      const over = () => performance.now() > end;
      const times = await askUntil(server.url, over, (status) =>
        tally.count(status === 200 ? undefined : `a normal request was answered with ${status}`),
      );
      return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
    };
    await ask(quietMs / 4);
    const quiet = await ask(quietMs);

    const held = KINDS.flatMap((kind) => Array.from({ length: Math.round(sockets * kind.share) }, () => kind));
    const lives = held.map((kind) => new SlowSocket(kind, server.port));
    await Promise.all(lives.map(({ opened }) => opened));
    const ticker = setInterval(
      () => progress(lives.filter(({ endedAfterS }) => endedAfterS).length, lives.length),
      500,
    );
    const busy = await ask(short ? heldMs : 20_000);
    if (!short) await Promise.race([Promise.all(lives.map(({ ended }) => ended)), delay(heldMs - 20_000)]);
    clearInterval(ticker);
    let longest = 0;
    let overLimit = 0;
    for (const { kind, endedAfterS, status, close } of lives) {
      close();
      if (short) continue;
      const seconds = endedAfterS ?? Number.POSITIVE_INFINITY;
      longest = Math.max(longest, seconds);
      overLimit = Math.max(overLimit, seconds - kind.limitS);
      const what = `${kind.name}: ${seconds.toFixed(1)} s (limit ${kind.limitS} s), status ${status}`;
      tally.count(seconds <= kind.limitS + LATE_S && status === 408 ? undefined : what);
    }
    const after = await fetch(`${server.url}/v2/health/ready`);
    tally.count(after.ok ? undefined : `afterwards health is ${after.status}`);
    const times = busy.p99 / quiet.p99;
    if (!short) tally.count(times < MOST_TIMES ? undefined : `p99 ${times.toFixed(2)} times that of before`);
    return tally.outcome(
      `${held.length} sockets, the longest lived ${longest.toFixed(1)} s (at most ${overLimit.toFixed(1)} s over its limit), p99 of others ${busy.p99.toFixed(1)} ms beside ${quiet.p99.toFixed(1)} ms (limit ${MOST_TIMES} times)`,
      { sockets: held.length, longestS: longest, overLimitS: overLimit, quietP99: quiet.p99, busyP99: busy.p99 },
    );
  },
};

class SlowSocket {
  readonly kind: Slowness;
  readonly opened: Promise<void>;
  readonly ended: Promise<void>;
  endedAfterS: number | undefined;
  status = 0;
  #socket: Socket | undefined;

  constructor(kind: Slowness, port: number) {
    this.kind = kind;
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    this.ended = ended;
    this.opened = openSocket(port).then((socket) => {
      this.#socket = socket;
      const started = performance.now();
      const timer = kind.next === '' ? undefined : setInterval(() => socket.write(kind.next), kind.everyMs);
      socket.on('data', (chunk) => {
        this.status ||= statusOf(chunk.toString('latin1'));
      });
      socket.on('end', () => socket.destroy());
      socket.once('close', () => {
        clearInterval(timer);
        this.endedAfterS = (performance.now() - started) / 1000;
        end();
      });
      if (kind.first !== '') socket.write(kind.first);
    });
  }

  readonly close = (): void => void this.#socket?.destroy();
}
