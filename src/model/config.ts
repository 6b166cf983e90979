// What a model's folder says about it, over the server's settings: config.yaml, and before it Triton's config.pbtxt.

import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { MODEL_SETTINGS, type ModelSettings } from '../config/schema.ts';
import { ServingError } from '../errors.ts';
import { parseTritonJson, parseTritonText } from './triton/config.ts';
import { type TritonModel, toTritonModel } from './triton/translation.ts';
import { type VersionPolicy, versionPolicy } from './version-policy.ts';

/** A label is no number: it stands where a version does, in paths. */
const versionLabel = z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/, 'a label is a word that begins with a letter');

const modelConfigSchema = z.strictObject({
  versions: versionPolicy.optional(),
  versionLabels: z.record(versionLabel, z.number().int().min(1)).default({}),
  optionalInputs: z.array(z.string()).default([]),
  ...Object.fromEntries(Object.entries(MODEL_SETTINGS).map(([name, schema]) => [name, schema.unwrap().optional()])),
});

export interface ModelConfig {
  readonly versions: VersionPolicy;
  /** `stable`, `canary` and the like, each with the version it stands for. */
  readonly versionLabels: ReadonlyMap<string, number>;
  /** Inputs that have a value in the file, which requests may replace. */
  readonly optionalInputs: readonly string[];
  readonly settings: ModelSettings;
  /** What a configuration for Triton asks beyond the settings; undefined where there is none. */
  readonly triton: TritonModel | undefined;
}

const FILE = 'config.yaml';
const TRITON_FILE = 'config.pbtxt';
const MODEL_FILE = 'model.onnx';
const MOST_BYTES = 16 * 2 ** 20;

/**
 * Effective configuration of a model. What config.yaml says wins over config.pbtxt, and both over the defaults.
 * @param folder the model's folder; undefined for a model that is a lone file
 * @param tritonJson stands in for the folder's config.pbtxt: Triton's configuration as JSON
 * @throws ServingError MODEL_LOAD_FAILED for a file that cannot be read or has a wrong or unknown key
 */
export function readModelConfig(
  name: string,
  folder: string | undefined,
  defaults: ModelSettings,
  tritonJson?: string,
): ModelConfig {
  const text = tritonJson === undefined ? readIfThere(folder, TRITON_FILE) : undefined;
  const written =
    tritonJson !== undefined ? parseTritonJson(tritonJson) : text !== undefined ? parseTritonText(text) : undefined;
  const triton = written && toTritonModel(written, name, defaults);
  const { versions, versionLabels, optionalInputs, ...own } = readYaml(folder);
  const set = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  return {
    versions: versions ?? triton?.versions ?? { latest: 1 },
    versionLabels: new Map(Object.entries(versionLabels)),
    optionalInputs,
    settings: { ...defaults, ...triton?.settings, ...set },
    triton,
  };
}

/** The name of the file that a version's folder holds; a configuration that cannot be read is the loader's to report. */
export function modelFileOf(folder: string): string {
  try {
    const text = readIfThere(folder, TRITON_FILE);
    return (text !== undefined && parseTritonText(text).default_model_filename) || MODEL_FILE;
  } catch {
    return MODEL_FILE;
  }
}

/** The class names in a file of a model's folder, one a line; undefined when there is none. */
export function readLabels(folder: string | undefined, file: string): string[] | undefined {
  return readIfThere(folder, file)?.trimEnd().split(/\r?\n/);
}

/** @throws ServingError MODEL_LOAD_FAILED for what is no regular file of a sensible size in the model's folder: a pipe never ends */
function readIfThere(folder: string | undefined, file: string): string | undefined {
  const path = folder && join(folder, file);
  const entry = path && statSync(path, { throwIfNoEntry: false });
  if (!path || !entry) return undefined;
  const inside = realpathSync(path).startsWith(realpathSync(folder) + sep);
  if (entry.isFile() && entry.size <= MOST_BYTES && inside) return readFileSync(path, 'utf8');
  const limit = `${MOST_BYTES / 2 ** 20} MiB`;
  throw new ServingError('MODEL_LOAD_FAILED', `its ${file} is not a regular file in its folder of at most ${limit}`);
}

function readYaml(folder: string | undefined): z.output<typeof modelConfigSchema> {
  const result = modelConfigSchema.safeParse(parseYaml(readIfThere(folder, FILE) ?? '') ?? {});
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.length ? `'${issue.path.join('.')}': ` : '';
  throw new ServingError('MODEL_LOAD_FAILED', `its ${FILE} is wrong: ${where}${issue?.message}`);
}

function parseYaml(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new ServingError('MODEL_LOAD_FAILED', `its ${FILE} is not valid YAML`, { cause: error });
  }
}
