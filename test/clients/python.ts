// Python packages from Python's registry, in a virtual environment of their own.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const environment = fileURLToPath(new URL('../../.venv', import.meta.url));

/** Where a file of this folder is. */
export const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Where a command of the environment is. */
export const command = (name: string) => join(environment, 'bin', name);

/**
 * Installs what `requirements/<name>.txt` lists; nothing is compiled, for that would need more than Python.
 * @returns why it cannot be had, or undefined
 */
export function install(name: string): string | undefined {
  if (spawnSync('python3', ['-m', 'venv', environment]).status !== 0) {
    return 'python3 cannot make a virtual environment';
  }
  const options = ['--quiet', '--disable-pip-version-check', '--no-compile', '--only-binary', ':all:'];
  const pip = spawnSync(command('pip'), ['install', ...options, '-r', here(`requirements/${name}.txt`)], {
    encoding: 'utf8',
  });
  if (pip.status === 0) return undefined;
  return `pip could not install it: ${pip.stderr.trim().split('\n').at(-1)}`;
}
