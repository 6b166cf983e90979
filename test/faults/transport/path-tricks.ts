import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { missingProgram } from '../programs.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { sendRaw } from './raw-client.ts';

const STARTED_LIMIT_MS = 5_000;
const ATTACHED = /attached/;
/** The pages of /docs are files, and may be opened; how many cores there are is asked again and again. */
const ALLOWED = /"[^"]*\/@fastify\/swagger-ui\/static[/"]|"\/sys\/devices\/system\/cpu\/online"/;

/** What stands for the name. */
const NAMES: readonly string[] = [
  '..',
  '.',
  '%2e%2e',
  '%2E%2E',
  '..%2f..%2fetc%2fpasswd',
  '..%2F..%2F..%2F..%2Fetc%2Fpasswd',
  '..%5c..%5cetc%5cpasswd',
  '..\\..\\etc\\passwd',
  '%252e%252e%252fetc%252fpasswd',
  '..;/etc/passwd',
  '%2fetc%2fpasswd',
  '//etc/passwd',
  'm%00',
  'm%00.onnx',
  '%00',
  'm%2f..%2fm',
  'm/../m',
  'm/./infer',
  '%ff%fe',
  '%c0%ae%c0%ae%c0%afetc',
  '%e0%80%af',
  '%u002e%u002e',
  '%',
  '%zz',
  '%2',
  'a'.repeat(8000),
  '%61'.repeat(2600),
  'm.onnx',
  'config.yaml',
  'm~',
  'm:1',
  'm%3a1',
  'm%20',
  ' m',
  'm%0d%0aX-A:%20b',
  'm%0a',
  '__proto__',
  'constructor',
  'toString',
  '*',
  '$%7bjndi%7d',
  'file:%2f%2f%2fetc%2fpasswd',
  '%F0%9F%98%80',
  'M',
];
const PLACES: readonly string[] = [
  'GET /v2/models/#',
  'GET /v2/models/#/ready',
  'POST /v2/models/#/infer',
  'GET /v2/models/m/versions/#',
  'GET /docs/static/#',
  'GET /#',
];

export const pathTricks: Fault = {
  name: 'path-tricks',
  kind: 'fuzz',
  promise: 'no path makes the server open a file but the pages of /docs, or answer with 5xx',
  unavailable: () => missingProgram('strace'),
  async run({ length, progress }) {
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling() });
    const folder = mkdtempSync(join(tmpdir(), 'ortlet-trace-'));
    const trace = join(folder, 'trace');
    await using server = await ServerUnderTest.start({ models: repository.path, args: ['--log-level', 'error'] });
    await fetch(`${server.url}/docs`).then((response) => response.text());
    const tracer = spawn('strace', ['-f', '-e', 'trace=%file', '-s', '500', '-o', trace, '-p', String(server.pid)]);
    const ended = once(tracer, 'exit');
    let said = '';
    tracer.stderr.on('data', (chunk) => {
      said += chunk;
    });
    const limit = performance.now() + STARTED_LIMIT_MS;
    while (!ATTACHED.test(said) && performance.now() < limit) await delay(20);
    if (!ATTACHED.test(said)) throw new Error(`strace could not look at the server: ${said}`);

    const names = length === 'short' ? NAMES.filter((_, i) => i % 5 === 0) : NAMES;
    const total = names.length * PLACES.length;
    for (const place of PLACES) {
      for (const name of names) {
        const line = place.replace('#', () => name);
        const head = 'Host: localhost\r\nConnection: close\r\nContent-Length: 0\r\n';
        const { status } = await sendRaw(server.port, `${line} HTTP/1.1\r\n${head}\r\n`);
        tally.count(status >= 200 && status < 500 ? undefined : `${line.slice(0, 80)}: ${status}`);
        progress(tally.cases, total);
      }
    }
    tracer.kill('SIGINT');
    await ended;
    const opened = readFileSync(trace, 'utf8')
      .split('\n')
      .filter((call) => /\b(open|openat|openat2)\(/.test(call) && !ALLOWED.test(call));
    for (const call of opened) tally.count(`opened: ${call.slice(0, 200)}`);
    rmSync(folder, { recursive: true });
    return tally.outcome(`${total} paths, ${opened.length} files opened outside`, {
      paths: total,
      opened: opened.length,
    });
  },
};
