// The models to try: folders with a model.onnx and recorded data sets, as ONNX's backend tests lay them out.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Case {
  /** Its path below the data folder, `node/test_abs` for example. */
  readonly name: string;
  readonly folder: string;
}

/** Where Debian's package libonnx-testdata puts them. */
export const DEBIAN_DATA = '/usr/share/libonnx-testdata/data';

export const MODEL_FILE = 'model.onnx';

/** @throws Error that says where test data come from */
export function findCases(data: string, only: string): Case[] {
  if (!existsSync(data)) {
    throw new Error(
      `there is no folder ${data}. Install Debian's package libonnx-testdata (apt-get install libonnx-testdata), ` +
        'or name another folder with --data.',
    );
  }
  const cases = findBelow(data, '');
  if (cases.length === 0) throw new Error(`there is no ${MODEL_FILE} with a test_data_set_0 beside it below ${data}`);
  const wanted = cases.filter(({ name }) => name.includes(only));
  if (wanted.length > 0) return wanted;
  throw new Error(`none of the ${cases.length} models below ${data} has '${only}' in its path`);
}

export function isDataSet(name: string): boolean {
  return name.startsWith('test_data_set_');
}

/** The folders of a case's data sets. */
export function dataSetsOf({ folder }: Case): string[] {
  return readdirSync(folder)
    .filter(isDataSet)
    .sort()
    .map((name) => join(folder, name));
}

function findBelow(root: string, path: string): Case[] {
  const folder = join(root, path);
  const own = { name: path, folder };
  if (existsSync(join(folder, MODEL_FILE))) return dataSetsOf(own).length > 0 ? [own] : [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .flatMap((name) => findBelow(root, join(path, name)));
}
