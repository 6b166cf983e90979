// A model's own config.yaml: what its folder says about it, over the server's settings.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { MODEL_SETTINGS, type ModelSettings } from '../config/schema.ts';
import { ServingError } from '../errors.ts';

/** Which versions of a model are loaded: the newest n, all, or those named. */
const versionPolicy = z.union([
  z.literal('all'),
  z.strictObject({ latest: z.number().int().min(1) }),
  z.strictObject({ specific: z.array(z.number().int().min(1)).min(1) }),
]);
export type VersionPolicy = z.output<typeof versionPolicy>;

const modelConfigSchema = z.strictObject({
  versions: versionPolicy.default({ latest: 1 }),
  ...Object.fromEntries(Object.entries(MODEL_SETTINGS).map(([name, schema]) => [name, schema.unwrap().optional()])),
});

export interface ModelConfig {
  readonly versions: VersionPolicy;
  readonly settings: ModelSettings;
}

const FILE = 'config.yaml';

/**
 * Effective settings of a model.
 * @param folder the model's folder; undefined for a model that is a lone file
 * @throws ServingError MODEL_LOAD_FAILED for a file that is no YAML or has a wrong or unknown key
 */
export function readModelConfig(folder: string | undefined, defaults: ModelSettings): ModelConfig {
  const path = folder && join(folder, FILE);
  const content: unknown = path && existsSync(path) ? parseYaml(path) : {};
  const result = modelConfigSchema.safeParse(content ?? {});
  if (!result.success) {
    const [issue] = result.error.issues;
    const where = issue?.path.length ? `'${issue.path.join('.')}': ` : '';
    throw new ServingError('MODEL_LOAD_FAILED', `its ${FILE} is wrong: ${where}${issue?.message}`);
  }
  const { versions, ...own } = result.data;
  const set = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  return { versions, settings: { ...defaults, ...set } };
}

/** The class names in a model's labels.txt, one a line; empty when there is none. */
export function readLabels(folder: string | undefined): string[] {
  const path = folder && join(folder, 'labels.txt');
  if (!path || !existsSync(path)) return [];
  return readFileSync(path, 'utf8').trimEnd().split(/\r?\n/);
}

/** The versions that a policy picks, in ascending order. */
export function pickVersions(available: readonly number[], policy: VersionPolicy): number[] {
  const sorted = [...available].sort((a, b) => a - b);
  if (policy === 'all') return sorted;
  if ('latest' in policy) return sorted.slice(-policy.latest);
  return sorted.filter((version) => policy.specific.includes(version));
}

function parseYaml(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ServingError('MODEL_LOAD_FAILED', `its ${FILE} is not valid YAML`, { cause: error });
  }
}
