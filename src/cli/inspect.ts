// `ortlet inspect`: what an ONNX file says about itself.

import { SettingsError } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import { type OnnxFile, type OnnxValueInfo, readOnnxFile } from '../model/onnx-file.ts';

export function inspect(_settings: Settings, path: string | undefined): number {
  if (!path) throw new SettingsError('inspect needs the path of an .onnx file');
  process.stdout.write(`${describe(read(path))}\n`);
  return 0;
}

function read(path: string): OnnxFile {
  try {
    return readOnnxFile(path);
  } catch (error) {
    throw new SettingsError(`${path}: ${(error as Error).message}`);
  }
}

function describe(file: OnnxFile): string {
  const bytes = file.initializers.reduce((sum, { data }) => sum + data.byteLength, 0);
  const operators = [...file.operators].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} x${count}`);
  return [
    `graph      ${file.graph}`,
    `producer   ${file.producer || 'not stated'}`,
    `IR         ${file.irVersion}, opsets ${[...file.opsets].map(([domain, version]) => `${domain} ${version}`).join(', ')}`,
    ...file.inputs.map((value) => `input      ${describeValue(value)}`),
    ...file.outputs.map((value) => `output     ${describeValue(value)}`),
    `weights    ${file.initializers.length} tensors, ${bytes} bytes`,
    `operators  ${operators.join(', ')}`,
    ...[...file.metadata].map(
      ([key, value]) => `metadata   ${key}: ${value.length > 100 ? `${value.slice(0, 97)}...` : value}`,
    ),
  ].join('\n');
}

function describeValue({ name, type, shape }: OnnxValueInfo): string {
  return `${name} ${type} [${shape.map((size) => (size === '' ? '?' : size)).join(', ')}]`;
}
