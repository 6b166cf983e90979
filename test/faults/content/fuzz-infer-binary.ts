import type { Fault } from '../fault.ts';
import type { Draw } from './draw.ts';
import { fuzz } from './fuzz.ts';
import { caseOf, damagedCase, type FuzzCase } from './http-request.ts';
import { drawRequest, knownModels } from './infer-requests.ts';
import { mutate, printTree, treeOf } from './json-tree.ts';

export const fuzzInferBinary: Fault = {
  name: 'fuzz-infer-binary',
  kind: 'fuzz',
  promise: 'requests with binary tensors, their sizes, bytes and the length of their JSON mutated: 200 or 4xx for each',
  async run(trial) {
    using repository = knownModels();
    return await fuzz(trial, { launch: { models: repository.path }, cases: 100_000, prepare: () => drawCase });
  },
};

function drawCase(draw: Draw): FuzzCase {
  if (draw.chance(0.1)) return drawRaw(draw);
  const { model, object, blobs } = drawRequest(draw, true);
  const path = `/v2/models/${model.name}/infer`;
  const intact = draw.chance(0.1);
  let tree = treeOf(object);
  if (!intact) for (let left = draw.below(4); left > 0; left--) tree = mutate(draw, tree);
  const json = Buffer.from(printTree(tree));
  const pieces = intact ? blobs : mutateBlobs(draw, blobs);
  const length = intact || draw.chance(0.8) ? json.length : oddLength(draw, json.length);
  const body = Buffer.concat([json, ...pieces]);
  const parts = { method: 'POST', path, headers: { 'inference-header-content-length': length } };
  if (intact) return caseOf(draw, { ...parts, body }, 200);
  if (draw.chance(0.05)) return damagedCase(draw, { ...parts, body });
  return caseOf(draw, { ...parts, body: draw.chance(0.3) ? draw.damage(body) : body });
}

/** A header length of 0: the body is the one input. */
function drawRaw(draw: Draw): FuzzCase {
  const path = `/v2/models/${draw.of(['double', 'strings', 'pair', 'every'])}/infer`;
  const body = Buffer.from(draw.list(draw.of([0, 1, 4, 8, 16, 800, 3001]), () => draw.below(256)));
  return caseOf(draw, { method: 'POST', path, headers: { 'inference-header-content-length': 0 }, body });
}

function mutateBlobs(draw: Draw, blobs: readonly Uint8Array[]): readonly Uint8Array[] {
  if (blobs.length === 0 || draw.chance(0.4)) return blobs;
  const at = draw.below(blobs.length);
  const put = (...instead: Uint8Array[]) => blobs.toSpliced(at, 1, ...instead);
  return draw.of([
    () => put(draw.damage(blobs[at]!)),
    () => put(draw.damage(blobs[at]!)),
    () => put(),
    () => put(blobs[at]!, blobs[at]!),
    () => put(Buffer.from(draw.list(blobs[at]!.length, () => draw.below(256)))),
    () => [...blobs, Buffer.of(draw.below(256))],
    () => blobs.toReversed(),
  ])();
}

function oddLength(draw: Draw, length: number): string | number {
  return draw.of([length - 1, length + 1, length + 4, 1, -1, 2 ** 31, 2 ** 53, '0x10', '1e2', '+5', '', '1.5', '007']);
}
