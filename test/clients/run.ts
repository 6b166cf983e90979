// Clients written by others, against a live server: `npm run test:clients`. Where one cannot be had from Python's
// registry, this says so and passes.

import { spawnSync } from 'node:child_process';
import { freePort, ServerProcess } from '../../load/server-process.ts';
import { doubling, identity, repositoryOf } from '../fixtures/models.ts';
import { command, here, install } from './python.ts';

/** Package by script. A script is not called as its package, or it would import itself. */
const CLIENTS = { 'triton.py': 'tritonclient', 'kserve_rest.py': 'kserve' };

const scripts = Object.entries(CLIENTS).flatMap(([script, name]) => {
  const missing = install(here(`requirements/${name}.txt`));
  if (missing) console.log(`${name}: skipped, ${missing}`);
  return missing ? [] : [script];
});
if (scripts.length > 0) process.exitCode = await runAll(scripts);

async function runAll(scripts: readonly string[]): Promise<number> {
  using repository = repositoryOf({
    'double/model.onnx': doubling(),
    'double/labels.txt': 'left\nright\n',
    'int64/model.onnx': identity('int64'),
    'string/model.onnx': identity('string'),
    'half/model.onnx': identity('float16'),
    'bool/model.onnx': identity('bool'),
    'uint8/model.onnx': identity('uint8'),
  });
  const port = await freePort();
  const options = [
    '--port',
    String(port),
    '--model-control',
    'explicit',
    '--log-level',
    'warn',
    '--load-overrides',
    'files',
  ];
  const server = new ServerProcess('Ortlet', port, [here('../../src/main.ts'), 'serve', repository.path, ...options]);
  try {
    await server.ready();
    const failed = scripts.filter((script) => {
      const { status } = spawnSync(command('python'), [here(script), `127.0.0.1:${port}`, repository.path], {
        stdio: 'inherit',
      });
      return status !== 0;
    });
    return failed.length === 0 ? 0 : 1;
  } finally {
    await server.end();
  }
}
