// Sends very many requests, most of them wrong, and looks at every answer: no 5xx, none missing, none that tells too much.

import { type Outcome, Tally, type Trial } from '../fault.ts';
import { type Launch, ServerUnderTest } from '../server-under-test.ts';
import { Draw } from './draw.ts';
import type { FuzzCase } from './http-request.ts';
import { type Answer, Wire } from './wire.ts';

const CONNECTIONS = 24;
const SHORT_CASES = 500;
/** Longest time for an answer, or for the end of a connection on which nothing more can be answered. */
const LIMIT_MS = 20_000;
/** Requests may take as long as they like, so that a slow machine is not taken for a server that refuses. */
const SETTINGS = ['--log-level', 'warn', '--max-body-bytes', String(1024 ** 2), '--request-timeout-ms', '600000'];

export interface Fuzzing {
  readonly launch: Launch;
  /** In the full form. */
  readonly cases: number;
  /** @returns what to draw cases with, once the server is there */
  prepare(server: ServerUnderTest): Promise<(draw: Draw) => FuzzCase> | ((draw: Draw) => FuzzCase);
  /** Engines that the cases themselves may replace. */
  readonly replaceable?: number;
}

export async function fuzz(trial: Trial, { launch, cases, prepare, replaceable = 0 }: Fuzzing): Promise<Outcome> {
  await using server = await ServerUnderTest.start({ ...launch, args: [...SETTINGS, ...(launch.args ?? [])] });
  const next = await prepare(server);
  const before = server.engines;
  const total = trial.length === 'short' ? SHORT_CASES : cases;
  const tally = new Tally();
  const answered = new Map<string, number>();
  let [slowestMs, hangs, started] = [0, 0, 0];

  const worker = async () => {
    let wire: Wire | undefined;
    while (started < total && server.running) {
      const index = started++;
      const one = next(new Draw(trial.seed, index));
      const sentAt = performance.now();
      const { answers, wire: left } = await send(server.port, one, wire);
      wire = left;
      slowestMs = Math.max(slowestMs, performance.now() - sentAt);
      if (answers === 'hang') hangs++;
      else
        for (const { status } of answers) {
          const kind = isLate(status, one) ? 'late' : `${Math.floor(status / 100)}xx`;
          answered.set(kind, (answered.get(kind) ?? 0) + 1);
        }
      const wrong = judge(one, answers);
      tally.count(wrong && `case ${index} of seed ${trial.seed}, ${one.about}: ${wrong}`);
      trial.progress(index + 1, total);
    }
    wire?.destroy();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));

  const lost = before.filter((pid) => !server.engines.includes(pid)).length;
  tally.count(lost > replaceable ? `${lost} engines have died` : undefined);
  const ready = await fetch(`${server.url}/v2/health/ready`).catch(() => undefined);
  tally.count(ready?.ok ? undefined : `the server is not ready afterwards: ${server.output.slice(-500)}`);
  const end = await server.end();
  tally.count(end === 0 ? undefined : `the server ended with ${end}`);
  const figures = { ...Object.fromEntries(answered), hangs, slowestMs };
  return tally.outcome(
    `${answered.get('5xx') ?? 0} answers of 5xx, ${hangs} hangs, ${lost} engines lost, slowest answer ${slowestMs.toFixed(0)} ms`,
    figures,
  );
}

interface Sent {
  readonly answers: readonly Answer[] | 'hang';
  /** What the next case may go over. */
  readonly wire: Wire | undefined;
}

async function send(port: number, { bytes, method, framed }: FuzzCase, known: Wire | undefined): Promise<Sent> {
  if (!framed) {
    const own = await Wire.open(port);
    const answers = await own.spill(method, bytes, LIMIT_MS);
    own.destroy();
    return { answers, wire: known };
  }
  const wire = known && !known.closed ? known : await Wire.open(port);
  const answer = await wire.exchange(method, bytes, LIMIT_MS);
  // Behind an upgrade that was passed over, Node tells of a mistake only when the time for a head is over.
  const upgrade = bytes.includes('\r\nupgrade: ');
  const over = upgrade || answer === undefined || answer === 'hang' || /^connection: *close/im.test(answer.head);
  if (over) wire.destroy();
  return { answers: answer === 'hang' ? 'hang' : answer ? [answer] : [], wire: over ? undefined : wire };
}

/** @returns what must not be */
function judge(one: FuzzCase, answers: readonly Answer[] | 'hang'): string | undefined {
  const { framed, expected } = one;
  if (answers === 'hang') return `no answer within ${LIMIT_MS} ms`;
  if (framed && answers.length === 0) return 'the connection was closed without an answer';
  for (const { status, head, body } of answers) {
    if (!(status >= 200 && status < 500) && !isLate(status, one))
      return `answered ${status}: ${body.toString().slice(0, 300)}`;
    if (expected !== undefined && status !== expected) return `${status} instead of ${expected}: ${body.toString()}`;
    if (status < 400 || /^HEAD /.test(head) || body.length === 0) continue;
    const told = leak(body.toString());
    if (told !== undefined) return told;
  }
  return undefined;
}

function isLate(status: number, { timed }: FuzzCase): boolean {
  return timed && (status === 503 || status === 504);
}

/** What must never be in the body of an error. */
const INTERNALS =
  /\n\s+at |node:|node_modules|onnxruntime|\.(?:ts|js|cc|cpp|h):\d|\/(?:root|home|tmp|usr|src|work|proc|app)\/|std::|0x[0-9a-f]{8}|\bENOENT\b|\[object |TypeError|RangeError|is not a function|Cannot read/;

/** @returns what the body of an error is not, or has and must not have */
function leak(body: string): string | undefined {
  let message: unknown;
  try {
    message = (JSON.parse(body) as { error?: unknown }).error;
  } catch {
    return `an error that is no JSON: ${body.slice(0, 200)}`;
  }
  if (typeof message !== 'string' || message === '') return `an error without a message: ${body.slice(0, 200)}`;
  const told = INTERNALS.exec(message)?.[0];
  return told === undefined ? undefined : `the message has '${told}': ${message.slice(0, 300)}`;
}
