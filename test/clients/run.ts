// Clients written by others, against a live server: `npm run test:clients`. They come from Python's registry into a
// virtual environment of their own; where that cannot be had, this says so and passes.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { freePort, ServerProcess } from '../../load/server-process.ts';
import { doubling, identity, repositoryOf } from '../fixtures/models.ts';

const PACKAGES = ['tritonclient[http]==2.73.0'];
const SCRIPTS = ['triton.py'];
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const environment = here('../../.venv');

const missing = install();
if (missing) {
  console.log(`clients: skipped, ${missing}`);
} else {
  process.exitCode = await runAll();
}

/** @returns why the clients cannot be had, or undefined */
function install(): string | undefined {
  if (spawnSync('python3', ['-m', 'venv', environment]).status !== 0)
    return 'python3 cannot make a virtual environment';
  const pip = spawnSync(`${environment}/bin/pip`, ['install', '--quiet', ...PACKAGES], { encoding: 'utf8' });
  return pip.status === 0 ? undefined : `pip could not install ${PACKAGES.join(', ')}`;
}

async function runAll(): Promise<number> {
  using repository = repositoryOf({
    'double/model.onnx': doubling(),
    'int64/model.onnx': identity('int64'),
    'string/model.onnx': identity('string'),
    'half/model.onnx': identity('float16'),
  });
  const port = await freePort();
  const main = here('../../src/main.ts');
  const options = ['--port', String(port), '--model-control', 'explicit', '--log-level', 'warn'];
  const server = new ServerProcess('Ortlet', port, [main, 'serve', repository.path, ...options]);
  try {
    await server.ready();
    const failed = SCRIPTS.filter((script) => {
      const { status } = spawnSync(`${environment}/bin/python`, [here(script), `127.0.0.1:${port}`], {
        stdio: 'inherit',
      });
      return status !== 0;
    });
    return failed.length === 0 ? 0 : 1;
  } finally {
    await server.end();
  }
}
