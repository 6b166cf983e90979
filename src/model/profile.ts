// What `ortlet tune` found out about a model on a machine, kept in a file that later starts use in place of measuring. A
// profile counts only for the same file, runtime, execution providers and number of cores.

import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { ModelSource } from './source.ts';

const count = z.number().int().min(1);
const profileSchema = z.strictObject({
  model: z.string(),
  /** What it counts for. */
  key: z.strictObject({ sha256: z.string(), onnxruntime: z.string(), providers: z.string(), cores: count }),
  instances: count.max(256),
  threads: count.max(1024),
  curve: z.array(z.strictObject({ rows: count, ms: z.number().min(0) })).min(1),
  trials: z.array(z.strictObject({ instances: count, threads: count, rowsPerSecond: z.number().min(0) })),
});

export type Profile = z.output<typeof profileSchema>;
type ProfileKey = Profile['key'];

const { version: onnxruntime } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };

/** Reads the file piece by piece: other models answer meanwhile. @param cores that the engines of this server may use */
export async function profileKey(
  { path, content, config }: Pick<ModelSource, 'path' | 'content' | 'config'>,
  cores: number,
): Promise<ProfileKey> {
  const hash = createHash('sha256');
  if (content) hash.update(content);
  else await pipeline(createReadStream(path!), hash);
  const providers = config.settings.executionProviders.map(({ name }) => name).join(',');
  return { sha256: hash.digest('hex'), onnxruntime, providers, cores };
}

/**
 * The profile that counts for a key.
 * @param folder where profiles are; it need not exist
 * @returns undefined where there is none; a reason where there is one that cannot be used
 */
export function readProfile(folder: string, key: ProfileKey): Profile | string | undefined {
  let text: string;
  try {
    text = readFileSync(pathOf(folder, key), 'utf8');
  } catch {
    return undefined;
  }
  const parsed = profileSchema.safeParse(parseJson(text));
  if (!parsed.success) return 'its profile is not one that this version writes';
  for (const [name, value] of Object.entries(key)) {
    const found = parsed.data.key[name as keyof ProfileKey];
    if (found !== value) return `its profile is for ${name} ${found}, here it is ${value}`;
  }
  return parsed.data;
}

/** @returns the file's path @throws Error of the file system */
export function writeProfile(folder: string, profile: Profile): string {
  mkdirSync(folder, { recursive: true });
  const path = pathOf(folder, profile.key);
  writeFileSync(`${path}.new`, `${JSON.stringify(profile, undefined, 2)}\n`);
  renameSync(`${path}.new`, path);
  return path;
}

/** Machines of several kinds can share a folder. */
function pathOf(folder: string, { sha256, onnxruntime, providers, cores }: ProfileKey): string {
  const machine = `${onnxruntime}-${providers.replaceAll(/[^a-z,]/g, '')}-${cores}`;
  return join(folder, `${sha256.slice(0, 32)}-${machine}.json`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
