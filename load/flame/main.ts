// Flame graphs of the server's own process under load: argv → server under V8's profiler → requests → SVG.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { binaryRequest, picture, writeHeavyModels } from '../scheduler/heavy-models.ts';
import { startSender } from '../scheduler/ortlet.ts';
import { freePort } from '../server-process.ts';
import { type CpuProfile, flameGraph, sharesOf } from './flame-graph.ts';

const HELP = `Usage: npm run load:flame -- <simplenet|recogniser> <picture.svg> [--tree folder] [--title text]

Puts a server under load for some seconds and draws where its own process spends its time; engines are not in it.

  --tree <folder>   Another checkout of the project, to compare with
  --title <text>    What the picture is called`;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SECONDS = 6;
/** The models are loaded and the code is compiled by then. */
const FROM_US = 5e6;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tree: { type: 'string', default: ROOT }, title: { type: 'string' }, help: { type: 'boolean' } },
});
const [model = '', path] = positionals;
if (values.help || !path || !['simplenet', 'recogniser'].includes(model)) {
  process.stdout.write(`${HELP}\n`);
  process.exit(values.help ? 0 : 1);
}

const models = model === 'recogniser' ? writeHeavyModels() : join(ROOT, 'models');
const folder = mkdtempSync(join(tmpdir(), 'ortlet-flame-'));
const port = await freePort();
const flags = ['--cpu-prof', '--cpu-prof-interval', '200', '--cpu-prof-dir', folder];
const server = spawn(
  process.execPath,
  [...flags, 'src/main.ts', 'serve', models, '--port', String(port), '--log-level', 'warn'],
  {
    cwd: values.tree,
    stdio: 'inherit',
  },
);
while (!(await fetch(`http://127.0.0.1:${port}/v2/health/ready`).catch(() => undefined))?.ok) await delay(100);

const sender = startSender();
const url = new URL(`http://127.0.0.1:${port}/v2/models/${model}/infer`);
const row = [{ name: 'input', datatype: 'FP32' as const, shape: [1, 10], data: new Float32Array(10).fill(0.5) }];
const requests = [binaryRequest(url, model === 'recogniser' ? picture(1) : row)];
const { samples } = await sender.ask({ url: url.href, requests, connections: 32, seconds: SECONDS });
sender.end();
server.kill('SIGTERM');
await once(server, 'exit');

const files = readdirSync(folder).map((file) => join(folder, file));
const largest = files.toSorted((a, b) => statSync(b).size - statSync(a).size)[0]!;
const profile = JSON.parse(readFileSync(largest, 'utf8')) as CpuProfile;
const shares = [...sharesOf(profile, FROM_US)].sort(([, a], [, b]) => b - a);
const summary = shares.map(([origin, share]) => `${origin} ${(100 * share).toFixed(0)} %`).join(', ');
writeFileSync(path, flameGraph(values.title ?? model, profile, FROM_US));
rmSync(folder, { recursive: true, force: true });
if (model === 'recogniser') rmSync(models, { recursive: true, force: true });
process.stdout.write(`${samples.length} requests; ${summary}\n`);
