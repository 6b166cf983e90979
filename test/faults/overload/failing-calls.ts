// Preloaded into a server: one of the calls that its own code makes to the file system, to start a process or a thread, or
// to write to an engine fails as the system would have it fail. `?call=` says which one, 0 for none, `?error=` picks a
// likely error. In the end it says how many there were.

import childProcess, { ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import threads from 'node:worker_threads';

type Code = keyof typeof constants.errno;
// biome-ignore lint/suspicious/noExplicitAny: calls of every kind are wrapped alike.
type Any = any;
/** Does what a failing call does. */
type Fail = (error: NodeJS.ErrnoException, args: Any[], self: Any) => unknown;

const SOURCES = new URL('../../../src/', import.meta.url).href;
const FRAMES = 20;
/** Their runs are all alike, and as many as there is time for: the first few stand for all. */
const MEASURING = /\/model\/calibration\.ts/;
const MOST_MEASUREMENTS = 6;

const { searchParams } = new URL(import.meta.url);
const [failing, choice] = ['call', 'error'].map((name) => Number(searchParams.get(name))) as [number, number];
let calls = 0;
let measurements = 0;

const raise: Fail = (error) => {
  throw error;
};
for (const name of ['readFileSync', 'readdirSync', 'realpathSync'] as const) {
  wrap(fs, name, ['ENOENT', 'EMFILE', 'EIO'], raise);
}
wrap(fs, 'existsSync', ['EIO'], () => false);
wrap(fs, 'statSync', ['ENOENT', 'EMFILE', 'EIO'], (error, [, options]) => {
  if (error.code === 'ENOENT' && options?.throwIfNoEntry === false) return undefined;
  throw error;
});
wrap(childProcess, 'spawn', ['ENOENT', 'EMFILE'], (error, [, args, options]) => {
  if (error.code === 'ENOENT') return spawn('/nowhere', args, options);
  // A child without streams is what Node.js gives then.
  const child = new ChildProcess();
  process.nextTick(() => child.emit('error', error));
  return child;
});
wrap(threads, 'Worker', ['EAGAIN'], (error) => raise(Object.assign(error, { code: 'ERR_WORKER_INIT_FAILED' }), [], {}));
wrap(
  Socket.prototype,
  'write',
  ['EPIPE', 'ECONNRESET'],
  (error, _args, socket) => !socket.destroy(error),
  'execution/',
);
syncBuiltinESMExports();
process.on('exit', () => process.stderr.write(`${calls} calls\n`));

/** @param folder whose calls count, below the sources */
function wrap<Name extends string>(
  target: Record<Name, Any>,
  name: Name,
  codes: readonly Code[],
  fail: Fail,
  folder = '',
) {
  const call = (args: Any[], self: unknown, real: () => unknown) => {
    if (!calledFrom(folder) || ++calls !== failing) return real();
    const code = codes[choice % codes.length]!;
    process.stderr.write(`call ${calls}, ${name}: ${code}\n`);
    return fail(failure(code, name), args, self);
  };
  target[name] = new Proxy(target[name], {
    apply: (real, self, args) => call(args, self, () => Reflect.apply(real, self, args)),
    construct: (real, args, self) => call(args, self, () => Reflect.construct(real, args, self)) as object,
  });
}

/** Not by Node.js itself, as when it loads a module for that code. */
function calledFrom(folder: string): boolean {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = FRAMES;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  // Who calls is the nearest: the log writes too when something happens to an engine.
  const caller = stack.slice(stack.indexOf(SOURCES));
  if (!caller.startsWith(SOURCES + folder) || stack.includes('node:internal/modules/')) return false;
  return !MEASURING.test(stack) || measurements++ < MOST_MEASUREMENTS;
}

function failure(code: Code, syscall: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: made to fail, ${syscall} '/path/of/no/concern'`), {
    code,
    syscall,
    errno: -constants.errno[code],
  });
}
