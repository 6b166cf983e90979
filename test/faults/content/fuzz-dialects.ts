import type { Fault } from '../fault.ts';
import type { Draw } from './draw.ts';
import { fuzz } from './fuzz.ts';
import { caseOf, damagedCase, type FuzzCase, type RequestParts } from './http-request.ts';
import { type DrawnRequest, drawRequest, knownModels } from './infer-requests.ts';
import { mutate, printTree, treeOf } from './json-tree.ts';

const ARGS = ['--sage-maker', 'true', '--vertex', 'true', '--default-model', 'double'];

export const fuzzDialects: Fault = {
  name: 'fuzz-dialects',
  kind: 'fuzz',
  promise:
    'predict and generate requests, those of SageMaker and Vertex AI too, valid and mutated: 200 or 4xx for each',
  async run(trial) {
    using repository = knownModels();
    return await fuzz(trial, {
      launch: { models: repository.path, args: ARGS },
      cases: 50_000,
      prepare: () => drawCase,
    });
  },
};

function drawCase(draw: Draw): FuzzCase {
  const request = drawRequest(draw, false);
  const [head, object] = draw.of([predict, predict, generate, sageMaker, vertex])(draw, request);
  if (draw.chance(0.1)) return caseOf(draw, { ...head, body: Buffer.from(printTree(treeOf(object))) }, 200);
  let tree = treeOf(object);
  for (let left = draw.below(5); left > 0; left--) tree = mutate(draw, tree);
  const parts = { ...head, body: Buffer.from(printTree(tree)) };
  if (draw.chance(0.05)) return damagedCase(draw, parts);
  return caseOf(draw, { ...parts, body: draw.chance(0.3) ? draw.damage(parts.body) : parts.body });
}

type Drawn = readonly [head: RequestParts, object: unknown];

function predict(draw: Draw, request: DrawnRequest): Drawn {
  const path = `/v1/models/${request.model.name}${draw.of(['', '', '/versions/1'])}:predict`;
  return [{ method: 'POST', path }, draw.chance(0.5) ? rows(draw, request) : columns(draw, request)];
}

function generate(draw: Draw, request: DrawnRequest): Drawn {
  const path = `/v2/models/${request.model.name}${draw.of(['', '/versions/1'])}/${draw.of(['generate', 'generate_stream'])}`;
  const { id, parameters } = request.object;
  const inputs = Object.fromEntries(inputsOf(request).map(({ name, rows }) => [name, rows.flat()]));
  return [
    { method: 'POST', path, unpacked: true },
    { ...inputs, ...(id !== undefined && { id }), ...(parameters !== undefined && { parameters }) },
  ];
}

function sageMaker(draw: Draw, request: DrawnRequest): Drawn {
  const headers = { 'x-amzn-sagemaker-target-model': `${request.model.name}${draw.of(['', '.tar.gz'])}` };
  return [{ method: 'POST', path: '/invocations', headers }, draw.chance(0.5) ? request.object : rows(draw, request)];
}

/** The route has no model in it: its rows are of the default one. */
function vertex(draw: Draw): Drawn {
  const instances = draw.list(1 + draw.below(4), () => [draw.below(9), draw.below(9)]);
  return [
    { method: 'POST', path: '/predict' },
    { instances, parameters: {} },
  ];
}

function rows(draw: Draw, request: DrawnRequest): unknown {
  const inputs = inputsOf(request);
  const named = inputs[0]!.rows.map((_, row) =>
    Object.fromEntries(inputs.map(({ name, rows }) => [name, encode(draw, rows[row])])),
  );
  const instances = inputs.length === 1 && draw.chance(0.5) ? inputs[0]!.rows : named;
  return { ...(draw.chance(0.2) && { signature_name: 'serving_default' }), instances };
}

function columns(draw: Draw, request: DrawnRequest): unknown {
  const inputs = inputsOf(request);
  const bare = inputs.length === 1 && draw.chance(0.5);
  return { inputs: bare ? inputs[0]!.rows : Object.fromEntries(inputs.map(({ name, rows }) => [name, rows])) };
}

/** Strings may come as base64. */
function encode(draw: Draw, value: unknown): unknown {
  return typeof value === 'string' && draw.chance(0.3) ? { b64: Buffer.from(value).toString('base64') } : value;
}

/** Its inputs with the value of each row. */
function inputsOf({ object }: DrawnRequest): { readonly name: string; readonly rows: readonly unknown[] }[] {
  const inputs = object.inputs as { name: string; shape: number[]; data: unknown[] }[];
  return inputs.map(({ name, shape: [rows = 0, columns], data }) => {
    const flat = data.flat();
    const row = (i: number) => (columns === undefined ? flat[i] : flat.slice(i * columns, (i + 1) * columns));
    return { name, rows: Array.from({ length: rows }, (_, i) => row(i)) };
  });
}
