// One data set of a case: its recorded inputs and outputs by the names that the model gives them.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OnnxFile, OnnxValueInfo } from '../../src/model/onnx-file.ts';
import { readTensorProto } from '../../src/model/onnx-tensor.ts';
import type { NamedTensors, Tensor } from '../../src/tensor/tensor.ts';

export interface DataSet {
  readonly inputs: NamedTensors;
  readonly outputs: NamedTensors;
}

/**
 * What was recorded, no more: an input that a model can do without may be missing. Sequences, maps and optional values
 * are left out, and so are tensors whose element type the protocol has no name for.
 */
export function readDataSet(folder: string, { inputs, outputs }: OnnxFile): DataSet {
  return { inputs: readValues(folder, 'input', inputs), outputs: readValues(folder, 'output', outputs) };
}

function readValues(folder: string, kind: 'input' | 'output', declared: readonly OnnxValueInfo[]): NamedTensors {
  const tensors = new Map<string, Tensor>();
  const path = (i: number) => join(folder, `${kind}_${i}.pb`);
  for (let i = 0; existsSync(path(i)); i++) {
    // Only the model says what the file holds: all kinds of values are recorded under the same names.
    const inPlace = declared[i];
    if (!inPlace?.type.startsWith('tensor')) continue;
    const { name, tensor } = readTensorProto(readFileSync(path(i)));
    const target = declared.find((value) => value.name === name) ?? inPlace;
    if (tensor) tensors.set(target.name, tensor);
  }
  return tensors;
}
