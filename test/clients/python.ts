// Python packages from Python's registry, in virtual environments of their own.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const shared = fileURLToPath(new URL('../../.venv', import.meta.url));

/** Where a file of this folder is. */
export const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Where a command of an environment is. */
export const command = (name: string, environment = shared) => join(environment, 'bin', name);

/**
 * Installs what a file of requirements lists; nothing is compiled, for that would need more than Python.
 * @returns why it cannot be had, or undefined
 */
export function install(requirements: string, environment = shared): string | undefined {
  if (spawnSync('python3', ['-m', 'venv', environment]).status !== 0) {
    return 'python3 cannot make a virtual environment';
  }
  const options = ['--quiet', '--disable-pip-version-check', '--no-compile', '--only-binary', ':all:'];
  const pip = spawnSync(command('pip', environment), ['install', ...options, '-r', requirements], {
    encoding: 'utf8',
  });
  if (pip.status === 0) return undefined;
  return `pip could not install it: ${pip.stderr.trim().split('\n').at(-1)}`;
}
