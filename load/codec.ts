// What JSON costs beyond JSON: decoding a request of one image (150,528 numbers) against JSON.parse and filling a
// Float32Array, and printing it against JSON.stringify of the same numbers. `npm run load:codec`.

import { jsonCodec } from '../src/codec/json-codec.ts';
import { printElements } from '../src/codec/print-elements.ts';
import { seededRandom } from './random.ts';

const LENGTH = 3 * 224 * 224;
const ROUNDS = 41;

const random = seededRandom(1);
const pixels = Float32Array.from({ length: LENGTH }, () => Math.floor(random() * 256));
const NUMBERS: Record<string, Float32Array> = {
  'pixels, 0 to 255': pixels,
  'pixels by 255': pixels.map((value) => value / 255),
  'normalised pixels': pixels.map((value) => (value / 255 - 0.449) / 0.226),
  'random, 0 to 1': Float32Array.from({ length: LENGTH }, random),
};

for (const [name, numbers] of Object.entries(NUMBERS)) {
  const shortest = JSON.parse(`[${printElements('FP32', numbers as never)}]`) as number[];
  const forms: Record<string, number[]> = { 'as float32': shortest, 'as doubles': Array.from(numbers) };
  for (const [form, data] of Object.entries(forms)) {
    const body = Buffer.from(JSON.stringify({ inputs: [{ name: 'x', shape: [1, LENGTH], datatype: 'FP32', data }] }));
    report(
      `decode ${name}, printed ${form}`,
      () => jsonCodec.decode(body),
      () => parseAndFill(body),
    );
  }
  const doubles = Array.from(numbers);
  report(
    `print ${name}`,
    () => printElements('FP32', numbers as never),
    () => JSON.stringify(doubles),
  );
}

function parseAndFill(body: Buffer): Float32Array {
  const { data } = JSON.parse(body.toString('utf8')).inputs[0] as { data: number[] };
  const filled = new Float32Array(LENGTH);
  for (let i = 0; i < LENGTH; i++) filled[i] = data[i]!;
  return filled;
}

/** Medians of interleaved rounds. */
function report(what: string, ours: () => unknown, platform: () => unknown): void {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, run] of [ours, platform].entries()) {
      const startedAt = performance.now();
      run();
      times[i]!.push(performance.now() - startedAt);
    }
  }
  const [a, b] = times.map((all) => all.toSorted((x, y) => x - y)[ROUNDS >> 1]!) as [number, number];
  console.log(`${what.padEnd(56)} ${a.toFixed(2)} ms, ${b.toFixed(2)} ms, ratio ${(a / b).toFixed(2)}`);
}
