// The versions of a model that are to be loaded, as its folder says and, where the operator allows it, as a client's load
// request does: with a configuration, and perhaps files, in place of what is on disk.

import type { ModelSettings } from '../config/schema.ts';
import { ServingError } from '../errors.ts';
import { type ModelConfig, readLabels, readModelConfig } from './config.ts';
import { pickVersions } from './version-policy.ts';

/** A model as it lies on disk. */
export interface ModelFolder {
  /** Undefined for a model that is a lone file. */
  readonly folder: string | undefined;
  /** Path of the ONNX file of each version. */
  readonly versions: ReadonlyMap<number, string>;
}

/** What a client wants loaded in place of what is on disk. */
export interface ModelOverride {
  /** Triton's model configuration, as JSON. */
  readonly config: string;
  /** By path below the model's folder, `1/model.onnx` for example; empty: those on disk. Never written anywhere. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** One version of a model, with all that its load needs. */
export interface ModelSource {
  readonly name: string;
  readonly version: string;
  /** Where the file is; undefined when `content` is the file. */
  readonly path: string | undefined;
  readonly content: Uint8Array | undefined;
  readonly config: ModelConfig;
  /** Names of the classes of an output, by index; '' is for every output that has none of its own. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
}

export interface ModelSources {
  readonly sources: readonly ModelSource[];
  readonly versionLabels: ReadonlyMap<string, string>;
}

/**
 * @param found undefined for a model that is not on disk
 * @throws ServingError MODEL_LOAD_FAILED for a configuration or an override that cannot be served
 */
export function findSources(
  name: string,
  found: ModelFolder | undefined,
  defaults: ModelSettings,
  override: ModelOverride | undefined,
): ModelSources {
  const inMemory = override !== undefined && override.files.size > 0;
  const folder = inMemory ? undefined : found?.folder;
  const config = readModelConfig(name, folder, defaults, override?.config);
  const modelFile = config.triton?.modelFile ?? 'model.onnx';
  const contents = inMemory ? versionsInMemory(override.files, modelFile) : undefined;
  const versions = pickVersions([...(contents ?? found?.versions ?? new Map()).keys()], config.versions);
  const labels = readAllLabels(folder, config, override?.files);
  const sources = versions.map((version) => ({
    name,
    version: String(version),
    path: contents ? undefined : found?.versions.get(version),
    content: contents?.get(version),
    config,
    labels,
  }));
  for (const [label, version] of config.versionLabels) {
    if (versions.includes(version)) continue;
    throw new ServingError(
      'MODEL_LOAD_FAILED',
      `its versionLabels name version ${version} '${label}', but the version policy picks ${versions.join(', ') || 'none'}`,
    );
  }
  return { sources, versionLabels: new Map([...config.versionLabels].map(([label, n]) => [label, String(n)])) };
}

/** `<version>/<model file>`, and nothing but label files beside. */
function versionsInMemory(files: ModelOverride['files'], modelFile: string): Map<number, Uint8Array> {
  const versions = new Map<number, Uint8Array>();
  for (const [path, content] of files) {
    const [, version, file] = /^([1-9][0-9]{0,8})\/([^/\\]+)$/.exec(path) ?? [];
    if (version !== undefined && file === modelFile) versions.set(Number(version), content);
    else if (!/^[^/\\]+$/.test(path) || path === '..') {
      throw new ServingError('MODEL_LOAD_FAILED', `expected files named '<version>/${modelFile}', got '${path}'`);
    }
  }
  if (versions.size > 0) return versions;
  throw new ServingError('MODEL_LOAD_FAILED', `none of the files that were sent is a '<version>/${modelFile}'`);
}

function readAllLabels(
  folder: string | undefined,
  { triton }: ModelConfig,
  files: ModelOverride['files'] = new Map(),
): Map<string, readonly string[]> {
  const labels = new Map<string, readonly string[]>();
  const general = readLabels(folder, 'labels.txt');
  if (general) labels.set('', general);
  for (const [output, file] of triton?.labelFiles ?? []) {
    const sent = files.get(file);
    const lines = sent ? Buffer.from(sent).toString('utf8').trimEnd().split(/\r?\n/) : readLabels(folder, file);
    if (!lines) throw new ServingError('MODEL_LOAD_FAILED', `the label_filename '${file}' of '${output}' is not there`);
    labels.set(output, lines);
  }
  return labels;
}
