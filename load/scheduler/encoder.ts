// A transformer encoder in the shape of MiniLM-L6 with random weights, for load tests only: token ids and a mask in, two
// numbers a row out. Masked positions count nowhere, so rows may be filled up.
//
//   ids ─▶ token + position embeddings ─▶ 6 × (attention ─▶ add, norm ─▶ feed forward ─▶ add, norm) ─▶ masked mean ─▶ y

import { type Initializer, type Node, writeOnnx } from '../../test/fixtures/onnx-writer.ts';
import { seededRandom } from '../random.ts';

export const VOCABULARY = 2048;
export const MOST_TOKENS = 256;
const [LAYERS, HIDDEN, HEADS, INNER] = [6, 384, 12, 1536];
const MASKED = -1e9;

/** Inputs `input_ids` and `attention_mask`: int64 [batch, sequence]; output `y`: float [batch, 2]. */
export function encoder(): Uint8Array {
  const graph = new GraphBuilder();
  const { node, weights, floats, integers } = graph;
  const embedded = node('Gather', [weights('tokens', [VOCABULARY, HIDDEN], 1), 'input_ids']);
  const length = node('Shape', ['input_ids'], { start: 1, end: 2 });
  const positions = node('Slice', [
    weights('positions', [MOST_TOKENS, HIDDEN], 1),
    integers([0]),
    length,
    integers([0]),
  ]);
  const mask = node('Cast', ['attention_mask'], { to: 1 });
  const hidden = node('Sub', [floats(1), mask]);
  const bias = node('Unsqueeze', [node('Mul', [hidden, floats(MASKED)]), integers([1, 2])]);
  let x = graph.norm(node('Add', [embedded, positions]));
  for (let layer = 0; layer < LAYERS; layer++) {
    x = graph.norm(node('Add', [x, graph.attention(x, bias)]));
    const inner = node('Gelu', [graph.dense(x, HIDDEN, INNER)]);
    x = graph.norm(node('Add', [x, graph.dense(inner, INNER, HIDDEN)]));
  }
  const weighed = node('Mul', [x, node('Unsqueeze', [mask, integers([2])])]);
  const sum = node('ReduceSum', [weighed, integers([1])], { keepdims: 0 });
  const count = node('ReduceSum', [mask, integers([1])], { keepdims: 1 });
  node('Identity', [graph.dense(node('Div', [sum, count]), HIDDEN, 2)], {}, 'y');
  const ids = (name: string) => ({ name, type: 'int64', shape: ['batch', 'sequence'] }) as const;
  return writeOnnx(
    {
      nodes: graph.nodes,
      initializers: graph.initializers,
      inputs: [ids('input_ids'), ids('attention_mask')],
      outputs: [{ name: 'y', type: 'float', shape: ['batch', 2] }],
    },
    { note: 'random weights, for load tests only' },
  );
}

class GraphBuilder {
  readonly nodes: Node[] = [];
  readonly initializers: Initializer[] = [];
  readonly #random = seededRandom(6);
  #count = 0;

  /** @returns the name of its output */
  readonly node = (
    operator: string,
    inputs: readonly string[],
    attributes: Node['attributes'] = {},
    output = `${operator}${this.#count++}`,
  ): string => {
    this.nodes.push({ operator, inputs, outputs: [output], attributes });
    return output;
  };

  readonly weights = (name: string, shape: readonly number[], limit: number): string => {
    const length = shape.reduce((product, size) => product * size, 1);
    const data = Float32Array.from({ length }, () => (this.#random() * 2 - 1) * limit);
    return this.#constant({ type: 'float', shape, data }, name);
  };

  readonly floats = (value: number): string =>
    this.#constant({ type: 'float', shape: [], data: Float32Array.of(value) }, 'scalar');

  readonly integers = (values: readonly number[]): string =>
    this.#constant({ type: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) }, 'integers');

  dense(x: string, from: number, to: number): string {
    const weight = this.weights('weight', [from, to], Math.sqrt(3 / from));
    return this.node('Add', [this.node('MatMul', [x, weight]), this.weights('bias', [to], 0.1)]);
  }

  norm(x: string): string {
    const ones = this.#constant({ type: 'float', shape: [HIDDEN], data: new Float32Array(HIDDEN).fill(1) }, 'scale');
    return this.node('LayerNormalization', [x, ones, this.weights('shift', [HIDDEN], 0.1)], { axis: -1 });
  }

  attention(x: string, bias: string): string {
    const heads = this.integers([0, 0, HEADS, HIDDEN / HEADS]);
    const part = (perm: readonly number[]) =>
      this.node('Transpose', [this.node('Reshape', [this.dense(x, HIDDEN, HIDDEN), heads])], { perm });
    const [query, key, value] = [part([0, 2, 1, 3]), part([0, 2, 3, 1]), part([0, 2, 1, 3])];
    const scores = this.node('Mul', [this.node('MatMul', [query, key]), this.floats(1 / Math.sqrt(HIDDEN / HEADS))]);
    const shares = this.node('Softmax', [this.node('Add', [scores, bias])], { axis: -1 });
    const joined = this.node('Transpose', [this.node('MatMul', [shares, value])], { perm: [0, 2, 1, 3] });
    const flat = this.node('Reshape', [joined, this.integers([0, 0, HIDDEN])]);
    return this.dense(flat, HIDDEN, HIDDEN);
  }

  #constant(initializer: Omit<Initializer, 'name'>, name: string): string {
    const unique = `${name}${this.#count++}`;
    this.initializers.push({ ...initializer, name: unique });
    return unique;
  }
}
