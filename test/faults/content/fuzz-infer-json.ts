import type { Fault } from '../fault.ts';
import type { Draw } from './draw.ts';
import { fuzz } from './fuzz.ts';
import { caseOf, damagedCase, type FuzzCase } from './http-request.ts';
import { drawRequest, knownModels } from './infer-requests.ts';
import { mutate, printTree, treeOf } from './json-tree.ts';

export const fuzzInferJson: Fault = {
  name: 'fuzz-infer-json',
  kind: 'fuzz',
  promise: 'inference requests in JSON, valid ones and mutated ones: each is answered, with 200 or 4xx',
  async run(trial) {
    using repository = knownModels();
    return await fuzz(trial, { launch: { models: repository.path }, cases: 60_000, prepare: () => drawCase });
  },
};

function drawCase(draw: Draw): FuzzCase {
  const { model, object } = drawRequest(draw, false);
  const path = `/v2/models/${model.name}${draw.of(['', '', '/versions/1'])}/infer`;
  const head = { method: 'POST', path, headers: drawHeaders(draw) };
  if (draw.chance(0.1)) return caseOf(draw, { ...head, body: Buffer.from(printTree(treeOf(object))) }, 200);
  let tree = treeOf(object);
  for (let left = draw.below(5); left > 0; left--) tree = mutate(draw, tree);
  const body = Buffer.from(printTree(tree));
  if (draw.chance(0.05)) return damagedCase(draw, { ...head, body });
  return caseOf(draw, { ...head, body: draw.chance(0.3) ? draw.damage(body) : body });
}

function drawHeaders(draw: Draw): Record<string, string> {
  return draw.chance(0.1) ? { 'x-request-timeout-ms': draw.of(['20000', '999999999']) } : {};
}
