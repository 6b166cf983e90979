import { ChildProcess } from 'node:child_process';
import { expect, test, vi } from 'vitest';
import { EngineProcess } from '../../src/execution/engine-process.ts';

vi.mock('node:child_process', async (original) => ({
  ...(await original<typeof import('node:child_process')>()),
  // What Node.js gives where the system has no descriptors left: no streams, and the error a little later.
  spawn: () => {
    const child = new ChildProcess();
    const error = Object.assign(new Error('spawn /usr/local/bin/node EMFILE'), { code: 'EMFILE' });
    process.nextTick(() => child.emit('error', error));
    return child;
  },
}));

test('an engine that cannot be started says why, and not where it was to be found', async () => {
  const engine = new EngineProcess(() => {});
  const loading = engine.ask({ kind: 'load', session: 1, at: 0, text: '{}', tensors: [] });
  await expect(loading).rejects.toMatchObject({
    code: 'ENGINE_FAILED',
    message: 'The engine could not be started (EMFILE).',
  });
  expect(await engine.exited).toBe('could not be started (EMFILE)');
  engine.kill();
});
