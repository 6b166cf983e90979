import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { until } from '../../fixtures/server.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';

const JUMPS = { short: 2, full: 60 };
const CLIENTS = 8;
const HOUR_MS = 3_600_000;
/** Less than the hour that the clock jumps by, more than any answer takes on a busy machine. */
const TIMEOUT_MS = 20_000;
const BODY = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] });

export const clockJumps: Fault = {
  name: 'clock-jumps',
  kind: 'chaos',
  promise:
    "the machine's clock jumps by an hour, forwards and back, while requests come in: none times out, and no duration in /metrics is negative or over ten seconds",
  unavailable: () => (library() ? undefined : 'libfaketime is not installed'),
  async run({ length, progress }) {
    const tally = new Tally();
    const jumps = JUMPS[length];
    const folder = mkdtempSync(join(tmpdir(), 'ortlet-clock-'));
    const clock = join(folder, 'clock');
    using repository = repositoryOf({ 'm.onnx': doubling() });
    try {
      setClock(clock, 0);
      await using server = await ServerUnderTest.start({
        models: repository.path,
        env: {
          LD_PRELOAD: library()!,
          FAKETIME_TIMESTAMP_FILE: clock,
          // The clock that a jump does not concern; the file is read again by each call.
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
          FAKETIME_NO_CACHE: '1',
        },
      });
      let running = true;
      const clients = Array.from({ length: CLIENTS }, async () => {
        const headers = { 'x-request-timeout-ms': String(TIMEOUT_MS) };
        while (running) {
          const response = await fetch(`${server.url}/v2/models/m/infer`, { method: 'POST', headers, body: BODY });
          const { error } = (await response.json()) as { error?: string };
          const [, negative] = /dur=(-[\d.]+)/.exec(response.headers.get('server-timing') ?? '') ?? [];
          tally.count(error ?? (negative && `a duration of ${negative} ms`));
        }
      });
      for (let jump = 1; jump <= jumps; jump++) {
        const offset = jump % 2 === 1 ? HOUR_MS * (jump % 4 === 1 ? 1 : -1) : 0;
        setClock(clock, offset);
        // The Date header is made anew once a second.
        await until(async () => Math.abs((await shownBy(server)) - Date.now() - offset) < HOUR_MS / 2);
        progress(jump, jumps);
      }
      running = false;
      await Promise.all(clients);
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      const { observed, wrong } = durations(metrics);
      tally.count(observed > 0 ? undefined : 'no durations in /metrics');
      for (const one of wrong) tally.count(one);
      const ended = await server.end();
      tally.count(ended === 0 ? undefined : `ended with ${ended}`);
      return tally.outcome(`${tally.failures} of ${tally.cases} wrong (limit 0), ${jumps} jumps of an hour`, { jumps });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

/** Debian's folder of libraries has the processor in its name. */
function library(): string | undefined {
  return readdirSync('/usr/lib')
    .map((folder) => `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`)
    .find(existsSync);
}

/** As a whole: one who reads it meanwhile sees the old or the new one. */
function setClock(file: string, offsetMs: number): void {
  const seconds = offsetMs / 1000;
  writeFileSync(`${file}.new`, seconds < 0 ? `${seconds}` : `+${seconds}`);
  renameSync(`${file}.new`, file);
}

/** Durations that were observed, and the histograms with some that were negative or over ten seconds. */
function durations(metrics: string): { observed: number; wrong: readonly string[] } {
  const values = new Map<string, number>();
  for (const [, name, kind, value] of metrics.matchAll(
    /^(ortlet_\w+_duration_seconds)_(sum|count|bucket)\{(?:le="10",)?model=[^}]*\} (\S+)$/gm,
  )) {
    values.set(`${name} ${kind}`, Number(value));
  }
  const names = new Set([...values.keys()].map((key) => key.split(' ')[0]!));
  const of = (name: string, kind: string) => values.get(`${name} ${kind}`) ?? Number.NaN;
  const isRight = (name: string) => of(name, 'sum') >= 0 && of(name, 'bucket') === of(name, 'count');
  return {
    observed: [...names].reduce((total, name) => total + of(name, 'count'), 0),
    wrong: [...names].filter((name) => !isRight(name)),
  };
}

/** What the server takes the time to be, in milliseconds since 1970. */
async function shownBy({ url }: ServerUnderTest): Promise<number> {
  const { headers } = await fetch(`${url}/v2/health/live`);
  return Date.parse(headers.get('date') ?? '');
}
