// The server against its own API document: `npm run test:schemathesis`. Schemathesis makes requests that fit the document
// and requests that do not, and holds each answer to it. Where it cannot be had, this says so and passes.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { freePort, ServerProcess } from '../../load/server-process.ts';
import { identity, lookup, repositoryOf } from '../fixtures/models.ts';
import type { Graph } from '../fixtures/onnx-writer.ts';
import { command, here, install } from './python.ts';

/** Loading and unloading have a turn of their own, or the other requests would find no model. */
const CONTROL = '/(load|unload)$';
const TURNS = [
  ['--exclude-path-regex', CONTROL, '--max-examples', '100'],
  ['--include-path-regex', CONTROL, '--max-examples', '20'],
];
/** Fewer would mean that most of the document was passed over. */
const LEAST_REQUESTS = 5000;

/** y = a beside b: two inputs whose rows must agree. */
const pair: Graph = {
  nodes: [{ operator: 'Concat', inputs: ['a', 'b'], outputs: ['y'], attributes: { axis: 1 } }],
  inputs: ['a', 'b'].map((name) => ({ name, type: 'float', shape: ['batch', 2] })),
  outputs: [{ name: 'y', type: 'float', shape: ['batch', 4] }],
};

interface Report {
  readonly test_cases: { readonly generated: number; readonly unique_failures: number; readonly errored: number };
  readonly exit_code: number;
  readonly running_time: number;
}

const missing = install(here('requirements/schemathesis.txt'));
if (missing) console.log(`schemathesis: skipped, ${missing}`);
else process.exitCode = await run();

async function run(): Promise<number> {
  // Values come out as they went in: Infinity, which a sum can overflow to, is no JSON and so in no document.
  using repository = repositoryOf({
    'bool/model.onnx': identity('bool'),
    'float/1/model.onnx': identity('float'),
    'float/3/model.onnx': identity('float'),
    'float/config.yaml': 'versions: all',
    'half/model.onnx': identity('float16'),
    'image/model.onnx': identity('float', ['batch', 3, 8, 8]),
    'int8/model.onnx': identity('int8'),
    'int64/model.onnx': identity('int64'),
    'lookup/model.onnx': lookup(),
    'odd name.v1/model.onnx': identity('double', [1, 3]),
    'pair/model.onnx': pair,
    'scalar/model.onnx': identity('float', []),
    'string/model.onnx': identity('string'),
    'uint64/model.onnx': identity('uint64'),
  });
  const port = await freePort();
  const options = ['--port', String(port), '--model-control', 'explicit', '--log-level', 'warn'];
  const server = new ServerProcess('Ortlet', port, [here('../../src/main.ts'), 'serve', repository.path, ...options]);
  try {
    await server.ready();
    const reports: Report[] = [];
    for (const turn of TURNS) reports.push(await test(`${server.url}/openapi.json`, turn));
    const sum = (count: (report: Report) => number) => reports.reduce((total, report) => total + count(report), 0);
    const requests = sum(({ test_cases }) => test_cases.generated);
    const failures = sum(({ test_cases }) => test_cases.unique_failures + test_cases.errored);
    const seconds = Math.round(sum(({ running_time }) => running_time));
    console.log(`schemathesis: ${requests} requests, ${failures} failures, ${seconds} s`);
    const passed = requests >= LEAST_REQUESTS && reports.every((report) => report.exit_code === 0);
    return passed ? 0 : 1;
  } finally {
    await server.end();
  }
}

/** One turn; what it prints is shown when something failed. Not spawnSync: the server's log must be read meanwhile. */
async function test(document: string, turn: readonly string[]): Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), 'ortlet-schemathesis-'));
  try {
    const report = join(folder, 'report.json');
    const child = spawn(
      command('schemathesis'),
      ['--config-file', here('schemathesis.toml'), 'run', document, '--report-json-path', report, ...turn],
      {
        cwd: folder,
        env: { ...process.env, SCHEMATHESIS_HOOKS: here('schemathesis_hooks.py') },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const [printed, [status]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
    if (status !== 0) console.log(printed);
    return JSON.parse(readFileSync(report, 'utf8')) as Report;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
