// What models there are on disk, in any of the layouts that people have:
//
//   models/<name>/<version>/model.onnx     Triton's; versions are whole numbers without a leading 0
//   models/<name>/model.onnx               version 1
//   models/<name>.onnx                     version 1
//   model.onnx, or a folder holding one    a single model, named after the file or, for model.onnx, its folder

import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { ServingError } from '../errors.ts';

export interface RepositoryModel {
  readonly name: string;
  /** Where its config.yaml may lie; undefined for a lone file. */
  readonly folder: string | undefined;
  /** Path of the ONNX file of each version. */
  readonly versions: ReadonlyMap<number, string>;
}

const FILE = 'model.onnx';
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}_.\- ]{0,127}$/u;
const VERSION = /^[1-9][0-9]{0,8}$/;
const MOST_MODELS = 10_000;

/**
 * All models below a path, by name.
 * @param modelFileOf the name of the file that the versions in a model's folder hold; `model.onnx` unless it says so
 * @throws ServingError NOT_FOUND when the path does not exist or is neither a folder nor an .onnx file
 */
export function scanRepository(path: string, modelFileOf: (folder: string) => string = () => FILE): RepositoryModel[] {
  const root = resolve(path);
  const entry = statSync(root, { throwIfNoEntry: false });
  if (entry?.isFile() && root.endsWith('.onnx')) return [singleFile(root)];
  if (!entry?.isDirectory())
    throw new ServingError('NOT_FOUND', `'${path}' is neither a folder of models nor an .onnx file.`);
  if (existsSync(join(root, FILE))) return [{ ...singleFile(join(root, FILE)), folder: root }];

  const models: RepositoryModel[] = [];
  for (const name of readdirSync(root).sort().slice(0, MOST_MODELS)) {
    const model = modelAt(root, name, modelFileOf);
    if (model && isModelName(model.name) && !models.some((other) => other.name === model.name)) models.push(model);
  }
  return models;
}

/** Letters, digits, and . _ - space inside: names go into paths, URLs and metrics. */
export function isModelName(name: string): boolean {
  return NAME.test(name);
}

/** Undefined also for what cannot be looked at (a link to itself, a folder without permission): the others are there still. */
function modelAt(root: string, name: string, modelFileOf: (folder: string) => string): RepositoryModel | undefined {
  try {
    return name.endsWith('.onnx') ? looseFile(root, name) : modelFolder(root, name, modelFileOf);
  } catch {
    return undefined;
  }
}

function singleFile(path: string): RepositoryModel {
  const stem = basename(path, '.onnx');
  const name = stem === 'model' ? basename(dirname(path)) : stem;
  return { name: isModelName(name) ? name : 'model', folder: undefined, versions: new Map([[1, path]]) };
}

function looseFile(root: string, file: string): RepositoryModel | undefined {
  const path = inside(root, join(root, file));
  return path ? { name: basename(file, '.onnx'), folder: undefined, versions: new Map([[1, path]]) } : undefined;
}

function modelFolder(root: string, name: string, modelFileOf: (folder: string) => string): RepositoryModel | undefined {
  const folder = join(root, name);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return undefined;
  const file = modelFileOf(folder);
  const versions = new Map<number, string>();
  const flat = inside(root, join(folder, file));
  if (flat) versions.set(1, flat);
  for (const version of readdirSync(folder).filter((entry) => VERSION.test(entry))) {
    const path = inside(root, join(folder, version, file));
    if (path) versions.set(Number(version), path);
  }
  return versions.size > 0 ? { name, folder, versions } : undefined;
}

/** The path, if it exists and does not lead out of the repository by a link. */
function inside(root: string, path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  return realpathSync(path).startsWith(realpathSync(root) + sep) ? path : undefined;
}
