// Whether requests of different lengths may share a run, filled up to the longest. A mask or the operator can only suggest
// it; a probe proves it: rows of several lengths run together, filled up, must give what each gives alone.

import type { ModelSettings } from '../config/schema.ts';
import { ServingError } from '../errors.ts';
import type { Executor } from '../execution/executor.ts';
import { cutOutputs, type PaddedInput, type PaddingPlan, padInputs } from '../tensor/padding.ts';
import { joinRows, splitRows } from '../tensor/rows.ts';
import { sampleInputs } from '../tensor/sample.ts';
import type { TensorMetadata, TensorSignature } from '../tensor/signature.ts';
import { allocate, type NamedTensors } from '../tensor/tensor.ts';
import { attempt, findDifference } from './batch-probe.ts';

export interface PaddingVerdict {
  /** Undefined: only requests of equal shape share a run. */
  readonly plan: PaddingPlan | undefined;
  readonly reason: string;
}

const MASK = /mask/i;
/** Short enough for any model of sequences. */
const LENGTHS = [16, 11, 8, 5];

/**
 * @param setting `auto`: where an input is a mask by its name; an object: these inputs, each with what it is filled up with
 * @throws ServingError MODEL_LOAD_FAILED when the setting does not fit the model, or the engine dies in these runs
 */
export async function probePadding(
  executor: Executor,
  signature: TensorSignature,
  setting: ModelSettings['padding'],
): Promise<PaddingVerdict> {
  if (setting === 'off') return { plan: undefined, reason: 'switched off by its configuration' };
  const inputs = setting === 'auto' ? maskedInputs(signature.inputs) : declaredInputs(signature.inputs, setting);
  if (typeof inputs === 'string') return { plan: undefined, reason: inputs };

  const rows = LENGTHS.map((size, i) => sampleRow(signature.inputs, size, i + 1));
  const alone: NamedTensors[] = [];
  for (const row of rows) {
    const result = await attempt(executor, row);
    if (typeof result === 'string') return { plan: undefined, reason: `a probe row could not be run (${result})` };
    alone.push(result);
  }
  const outputs = lengthAxes(alone);
  if (typeof outputs === 'string') return { plan: undefined, reason: outputs };
  const plan = { inputs, outputs };
  const together = await attempt(executor, joinRows(rows.map((row) => padInputs(row, plan, LENGTHS[0]!))));
  if (typeof together === 'string') return { plan: undefined, reason: `filled up rows fail (${together})` };
  const parts = splitRows(
    together,
    rows.map(() => 1),
  ).map((part, i) => cutOutputs(part, plan, LENGTHS[i]!));
  const difference = findDifference(alone, parts);
  if (difference) return { plan: undefined, reason: `${difference} and are filled up` };
  return { plan, reason: `rows of ${LENGTHS.length} lengths filled up and run together gave the same as each alone` };
}

/** The inputs that share the mask's free dimension, or why there are none. */
function maskedInputs(inputs: readonly TensorMetadata[]): ReadonlyMap<string, PaddedInput> | string {
  const mask = inputs.find(({ name }) => MASK.test(name));
  if (!mask) return 'no input is a mask by its name; `padding` can name the inputs that may be filled up';
  const axis = freeAxis(mask);
  if (axis === undefined) return `the mask '${mask.name}' does not have one free dimension beside the first`;
  const symbol = mask.symbols?.[axis];
  const padded = new Map<string, PaddedInput>();
  for (const input of inputs) {
    const own = freeAxis(input);
    if (own === undefined && !input.shape.slice(1).includes(-1)) continue;
    if (own === undefined || input.symbols?.[own] !== symbol || input.datatype === 'BYTES') {
      return `input '${input.name}' has another free dimension than the mask '${mask.name}'`;
    }
    padded.set(input.name, { axis: own, value: 0 });
  }
  return padded;
}

function declaredInputs(
  inputs: readonly TensorMetadata[],
  values: Readonly<Record<string, number>>,
): ReadonlyMap<string, PaddedInput> {
  const padded = new Map<string, PaddedInput>();
  for (const [name, value] of Object.entries(values)) {
    const input = inputs.find((candidate) => candidate.name === name);
    const axis = input && freeAxis(input);
    if (!input || axis === undefined || input.datatype === 'BYTES') {
      throw new ServingError(
        'MODEL_LOAD_FAILED',
        `its setting 'padding' names '${name}': expected an input of numbers with one free dimension beside the first`,
      );
    }
    if (value !== 0 && input.datatype === 'FP16') {
      throw new ServingError(
        'MODEL_LOAD_FAILED',
        `its setting 'padding' fills '${name}' up with ${value}: FP16 takes 0 only`,
      );
    }
    padded.set(name, { axis, value });
  }
  return padded;
}

/** The one free dimension beside the first. */
function freeAxis({ shape }: TensorMetadata): number | undefined {
  const axis = shape.indexOf(-1, 1);
  return axis > 0 && shape.indexOf(-1, axis + 1) < 0 ? axis : undefined;
}

/** A row whose masks let everything through. */
function sampleRow(inputs: readonly TensorMetadata[], size: number, seed: number): NamedTensors {
  const row = new Map(sampleInputs(inputs, { rows: 1, size, seed }));
  for (const [name, tensor] of row) {
    if (!MASK.test(name) || tensor.datatype === 'BYTES') continue;
    const data = allocate(tensor.datatype, tensor.data.length);
    data.fill((typeof data[0] === 'bigint' ? 1n : 1) as never);
    row.set(name, { ...tensor, data });
  }
  return row;
}

/** The outputs' dimensions that are as long as the inputs, or why outputs cannot be cut back. */
function lengthAxes(answers: readonly NamedTensors[]): ReadonlyMap<string, number> | string {
  const axes = new Map<string, number>();
  for (const [name, { shape }] of answers[0]!) {
    const shapes = answers.map((answer) => answer.get(name)!.shape);
    for (let axis = 1; axis < shape.length; axis++) {
      const sizes = shapes.map((own) => own[axis]);
      if (sizes.every((size) => size === sizes[0])) continue;
      if (axes.has(name) || sizes.some((size, i) => size !== LENGTHS[i])) {
        return `output '${name}' changes its shape with the length of the inputs in a way that cannot be cut back`;
      }
      axes.set(name, axis);
    }
  }
  return axes;
}
