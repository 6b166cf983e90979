// What was compared with what: versions of the parts of a run.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { DEBIAN_DATA } from './cases.ts';

export interface Versions {
  readonly onnxruntime: string;
  readonly node: string;
  /** Where the recorded data come from: the package and its version, or a folder. */
  readonly data: string;
  readonly cores: number;
}

export function readVersions(data: string): Versions {
  return {
    onnxruntime: onnxruntimeVersion(),
    node: process.version.slice(1),
    data: data === DEBIAN_DATA ? packageVersion() : data,
    cores: availableParallelism(),
  };
}

function onnxruntimeVersion(): string {
  const file = new URL('../../node_modules/onnxruntime-node/package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** The package's name and version. */
function packageVersion(): string {
  const { status, stdout } = spawnSync('dpkg-query', ['-W', 'libonnx-testdata'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim().replace('\t', ' ') : 'libonnx-testdata';
}
