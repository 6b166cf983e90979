// The models under load, in a temporary folder that all servers read: one tiny from the repository, one of a size where
// reading the request and running the model both cost something.

import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Initializer, type Node, writeOnnx } from '../test/fixtures/onnx-writer.ts';
import { seededRandom } from './random.ts';

/** A model of one float input and one float output, both rows by columns. */
export interface LoadModel {
  readonly name: string;
  readonly input: string;
  readonly columns: number;
}

export const MODELS: readonly LoadModel[] = [
  { name: 'simplenet', input: 'input', columns: 10 },
  { name: 'mlp-768-random', input: 'x', columns: 768 },
];

const SIMPLENET = fileURLToPath(new URL('../models/simplenet/model.onnx', import.meta.url));
const LAYERS = [768, 1024, 1024, 10];

/** @returns the folder, which the caller removes */
export function writeModels(folder = mkdtempSync(join(tmpdir(), 'ortlet-load-'))): string {
  for (const { name } of MODELS) mkdirSync(join(folder, name));
  copyFileSync(SIMPLENET, modelPath(folder, 'simplenet'));
  writeFileSync(modelPath(folder, 'mlp-768-random'), perceptron(LAYERS));
  return folder;
}

export function modelPath(folder: string, name: string): string {
  return join(folder, name, 'model.onnx');
}

/** Gemm, Relu, Gemm, Relu, ... Gemm. */
function perceptron(sizes: readonly number[]): Uint8Array {
  const random = seededRandom(768);
  const nodes: Node[] = [];
  const initializers: Initializer[] = [];
  const last = sizes.length - 2;
  for (let layer = 0; layer <= last; layer++) {
    const [rows, columns] = [sizes[layer]!, sizes[layer + 1]!];
    const from = layer === 0 ? 'x' : `relu${layer - 1}`;
    const to = layer === last ? 'y' : `gemm${layer}`;
    initializers.push(weights(`weight${layer}`, [rows, columns], Math.sqrt(6 / rows), random));
    initializers.push(weights(`bias${layer}`, [columns], 0.1, random));
    nodes.push({ operator: 'Gemm', inputs: [from, `weight${layer}`, `bias${layer}`], outputs: [to] });
    if (layer < last) nodes.push({ operator: 'Relu', inputs: [to], outputs: [`relu${layer}`] });
  }
  const graph = {
    nodes,
    initializers,
    inputs: [{ name: 'x', type: 'float', shape: ['batch', sizes[0]!] }],
    outputs: [{ name: 'y', type: 'float', shape: ['batch', sizes.at(-1)!] }],
  } as const;
  return writeOnnx(graph, { note: 'random weights, for load tests only' });
}

function weights(name: string, shape: readonly number[], limit: number, random: () => number): Initializer {
  const length = shape.reduce((product, size) => product * size, 1);
  return { name, type: 'float', shape, data: Float32Array.from({ length }, () => (random() * 2 - 1) * limit) };
}
