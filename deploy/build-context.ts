// What the Docker build sees of this folder: the files of the working tree that .dockerignore lets through.
// Run by itself it prints their paths, each ended by a NUL character.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, matchesGlob } from 'node:path';

/** Tracked and new files, less those that .gitignore names, less those that .dockerignore leaves out. */
export function buildContext(folder: string): string[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: folder,
    encoding: 'utf8',
  });
  const patterns = readFileSync(`${folder}/.dockerignore`, 'utf8');
  return listed.split('\0').filter((file) => file && existsSync(`${folder}/${file}`) && isSent(file, patterns));
}

/** As Docker reads .dockerignore: the last pattern that fits the path or a folder above it decides. */
export function isSent(file: string, patterns: string): boolean {
  let sent = true;
  for (const line of patterns.split('\n').map((text) => text.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const negated = line.startsWith('!');
    if (fits(file, negated ? line.slice(1) : line)) sent = negated;
  }
  return sent;
}

function fits(path: string, pattern: string): boolean {
  for (let part = path; part !== '.'; part = dirname(part)) {
    if (matchesGlob(plain(part), plain(pattern))) return true;
  }
  return false;
}

/** Docker's `*` takes names that begin with a dot like any other, Node's does not. */
function plain(path: string): string {
  return path.replaceAll(/(?<=^|\/)\./g, '_.');
}

if (import.meta.main)
  process.stdout.write(
    buildContext(process.cwd())
      .map((file) => `${file}\0`)
      .join(''),
  );
