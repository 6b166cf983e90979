// What a model's files look like from outside: names, sizes and times, without reading them.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Fingerprints } from './poller.ts';
import type { RepositoryModel } from './repository.ts';

/** Of every model that a scan has found. */
export function fingerprints(models: readonly RepositoryModel[]): Fingerprints {
  return new Map(models.map((model) => [model.name, fingerprint(model)]));
}

function fingerprint({ folder, versions }: RepositoryModel): string {
  const files =
    folder === undefined ? [...versions.values()] : [...filesIn(folder), ...filesIn(...versionFolders(folder))];
  return files
    .map((path) => [path, statSync(path, { throwIfNoEntry: false })] as const)
    .map(([path, entry]) => `${path} ${entry?.ino} ${entry?.size} ${entry?.mtimeMs}`)
    .sort()
    .join('\n');
}

function filesIn(...folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map(({ name }) => join(folder, name)),
  );
}

function versionFolders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(folder, name));
}
