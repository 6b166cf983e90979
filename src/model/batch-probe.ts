// Whether rows of different requests may share a run. The signature can only allow it; a probe proves it: two rows run
// together must give what each gives alone.

import { ServingError } from '../errors.ts';
import type { Executor } from '../execution/executor.ts';
import { fromHalf } from '../tensor/float16.ts';
import { joinRows, splitRows } from '../tensor/rows.ts';
import { sampleInputs } from '../tensor/sample.ts';
import type { TensorMetadata, TensorSignature } from '../tensor/signature.ts';
import type { NamedTensors, Tensor } from '../tensor/tensor.ts';

export interface BatchVerdict {
  readonly batchable: boolean;
  readonly reason: string;
  /** One row that the model has run; undefined when no made-up input suited it. */
  readonly sample: NamedTensors | undefined;
}

/** Sizes tried for free dimensions other than the first; some models need a multiple of 8 or a smallest size. */
const FREE_SIZES = [8, 1, 32, 64, 224, 512];
const SEEDS = [1, 2, 3, 4];
/** Largest difference that counts as rounding, relative to the larger magnitude or 1. */
const TOLERANCE = { FP16: 1e-2, FP32: 1e-4, FP64: 1e-9 };

/**
 * Runs the model for the first time and judges its batching.
 * @param signature what the model may be given: the file's, or a part of it
 * @throws ServingError MODEL_LOAD_FAILED when the engine dies or passes its limit during these runs
 */
export async function probeBatching(executor: Executor, signature: TensorSignature): Promise<BatchVerdict> {
  const warmed = await firstRun(executor, signature);
  if (!warmed.sample)
    return { batchable: false, reason: `no made-up input could be run (${warmed.reason})`, sample: undefined };
  const { sample, size } = warmed;
  const obstacle = fixedFirstDimension(signature);
  if (obstacle) return { batchable: false, reason: obstacle, sample };

  const rows = SEEDS.map((seed) => sampleInputs(signature.inputs, { rows: 1, size, seed }));
  const alone: NamedTensors[] = [];
  for (const row of rows) {
    const result = await attempt(executor, row);
    if (typeof result === 'string')
      return { batchable: false, reason: `a probe row could not be run (${result})`, sample };
    alone.push(result);
  }
  const together = await attempt(executor, joinRows(rows));
  if (typeof together === 'string')
    return { batchable: false, reason: `several rows together fail (${together})`, sample };
  const parts = () =>
    splitRows(
      together,
      rows.map(() => 1),
    );
  const difference = wrongRows(together, rows.length) ?? findDifference(alone, parts());
  return difference
    ? { batchable: false, reason: difference, sample }
    : { batchable: true, reason: `${SEEDS.length} rows run together gave the same as each alone`, sample };
}

async function firstRun(executor: Executor, signature: TensorSignature) {
  let reason = '';
  for (const size of FREE_SIZES) {
    const sample = sampleInputs(signature.inputs, { rows: 1, size, seed: 1 });
    const result = await attempt(executor, sample);
    if (typeof result !== 'string') return { sample, size };
    reason ||= result;
  }
  return { sample: undefined, reason };
}

/** The outputs, or why the model refused these inputs. */
export async function attempt(executor: Executor, inputs: NamedTensors): Promise<NamedTensors | string> {
  try {
    return (await executor.execute(inputs)).outputs;
  } catch (error) {
    if (error instanceof ServingError && error.code === 'INFERENCE_FAILED') return 'the runtime refused it';
    const what = error instanceof Error ? error.message : String(error);
    throw new ServingError('MODEL_LOAD_FAILED', `its first run did not end well: ${what}`, { cause: error });
  }
}

function fixedFirstDimension({ inputs, outputs }: TensorSignature): string | undefined {
  if (inputs.length === 0) return 'it has no inputs';
  const fixed = (kind: string) => (value: TensorMetadata) =>
    value.shape[0] === -1
      ? []
      : [
          `${kind} '${value.name}' has ${value.shape.length ? `the fixed first dimension ${value.shape[0]}` : 'no dimensions'}`,
        ];
  return [...inputs.flatMap(fixed('input')), ...outputs.flatMap(fixed('output'))][0];
}

/** What differs between rows that ran alone and the same rows out of a common run, or undefined. */
export function findDifference(alone: readonly NamedTensors[], parts: readonly NamedTensors[]): string | undefined {
  for (const [row, part] of parts.entries()) {
    for (const [name, tensor] of part) {
      if (!sameValues(alone[row]!.get(name)!, tensor)) {
        return `output '${name}' of a row differs when other rows run with it`;
      }
    }
  }
  return undefined;
}

function wrongRows(together: NamedTensors, rows: number): string | undefined {
  for (const [name, { shape }] of together) {
    if (shape[0] !== rows) return `output '${name}' has ${shape[0]} rows for ${rows} rows of input`;
  }
  return undefined;
}

function sameValues(expected: Tensor, actual: Tensor): boolean {
  if (expected.data.length !== actual.data.length) return false;
  const tolerance = TOLERANCE[expected.datatype as keyof typeof TOLERANCE];
  const number = (value: unknown) => (expected.datatype === 'FP16' ? fromHalf(value as number) : (value as number));
  for (let i = 0; i < expected.data.length; i++) {
    const a = expected.data[i]!;
    const b = actual.data[i]!;
    if (a === b) continue;
    if (tolerance === undefined) return false;
    const [x, y] = [number(a), number(b)];
    const near = Math.abs(x - y) <= tolerance * Math.max(1, Math.abs(x), Math.abs(y));
    if (!near && !(Number.isNaN(x) && Number.isNaN(y))) return false;
  }
  return true;
}
