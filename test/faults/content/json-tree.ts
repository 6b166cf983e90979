// JSON as a tree that can be broken where it is broken least expected: objects may have a key twice, values may be no JSON.

import type { Draw } from './draw.ts';

export type Node =
  | { readonly kind: 'object'; readonly members: [key: string, value: Node][] }
  | { readonly kind: 'list'; readonly items: Node[] }
  | { readonly kind: 'text'; readonly text: string };

export function treeOf(value: unknown): Node {
  if (Array.isArray(value)) return { kind: 'list', items: value.map(treeOf) };
  if (typeof value === 'object' && value !== null) {
    return { kind: 'object', members: Object.entries(value).map(([key, member]) => [key, treeOf(member)]) };
  }
  return text(typeof value === 'bigint' ? String(value) : JSON.stringify(value));
}

export function printTree(node: Node): string {
  if (node.kind === 'text') return node.text;
  if (node.kind === 'list') return `[${node.items.map(printTree).join(',')}]`;
  return `{${node.members.map(([key, value]) => `${JSON.stringify(key)}:${printTree(value)}`).join(',')}}`;
}

/** Containers of a tree that is broken further, and characters of what is put in many times: more only take time. */
const MOST_CONTAINERS = 2000;
const MOST_REPEATED = 100_000;

/** Breaks a tree in one place. @returns the tree, or what stands in its place */
export function mutate(draw: Draw, root: Node): Node {
  const all = containers(root);
  if (all.length > MOST_CONTAINERS) return root;
  const holders = all.filter((node) => children(node) > 0);
  if (holders.length === 0 || draw.chance(0.03)) return replacement(draw, root);
  const holder = draw.of(holders);
  const at = draw.below(children(holder));
  if (holder.kind === 'object') mutateMember(draw, holder.members, at, root);
  else mutateItem(draw, holder.items, at, root);
  return root;
}

type Container = Exclude<Node, { kind: 'text' }>;

function containers(node: Node): Container[] {
  if (node.kind === 'text') return [];
  const inside = node.kind === 'list' ? node.items : node.members.map(([, value]) => value);
  return [node, ...inside.flatMap(containers)];
}

function children(node: Container): number {
  return node.kind === 'list' ? node.items.length : node.members.length;
}

function mutateMember(draw: Draw, members: [string, Node][], at: number, root: Node): void {
  const [key, value] = members[at]!;
  draw.of([
    () => members.splice(at, 1),
    () => members.splice(at, 0, [key, draw.chance(0.5) ? value : oddValue(draw)]),
    () => members.splice(at, 1, [draw.of(ODD_KEYS), value]),
    () => members.push([draw.of(ODD_KEYS), draw.chance(0.5) ? oddValue(draw) : copyOf(draw, root)]),
    () => members.splice(at, 1, [key, replacement(draw, value)]),
    () => members.splice(at, 1, [key, replacement(draw, value)]),
    () => members.reverse(),
  ])();
}

function mutateItem(draw: Draw, items: Node[], at: number, root: Node): void {
  const value = items[at]!;
  draw.of([
    () => items.splice(at, 1),
    () => items.splice(at, 0, ...repeated(draw, value)),
    () => items.splice(at, 0, draw.chance(0.8) ? oddValue(draw) : copyOf(draw, root)),
    () => items.splice(at, 1, replacement(draw, value)),
    () => items.splice(at, 1, replacement(draw, value)),
  ])();
}

function repeated(draw: Draw, value: Node): Node[] {
  const most = 1 + Math.floor(MOST_REPEATED / (1 + printTree(value).length));
  return draw.list(Math.min(most, draw.of([1, 1, 2, 40, 1100])), () => value);
}

function replacement(draw: Draw, value: Node): Node {
  if (draw.chance(0.7)) return oddValue(draw);
  const depth = draw.of([1, 1, 2, 98, 99, 100, 101, 3000]);
  return text(`${'['.repeat(depth)}${printTree(value)}${']'.repeat(depth)}`);
}

function copyOf(draw: Draw, root: Node): Node {
  return text(printTree(draw.of(containers(root))));
}

function oddValue(draw: Draw): Node {
  return text(draw.of(ODD_VALUES));
}

function text(content: string): Node {
  return { kind: 'text', text: content };
}

const ODD_KEYS = [
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'length', '', '0', '-1', 'x'.repeat(3000)],
  ...['name', 'shape', 'datatype', 'data', 'parameters', 'inputs', 'outputs', 'id', 'instances', 'b64', 'text_input'],
  ...['binary_data', 'binary_data_size', 'binary_data_output', 'classification', 'priority', 'signature_name'],
  ...['sequence_id', 'shared_memory_region', 'triton_x', 'config', 'file:1/model.onnx', 'x', 'a\u0000b', '\ud800'],
];

const ODD_VALUES = [
  ...['null', 'true', 'false', '0', '-0', '-1', '1', '2', '1.5', '1e400', '-1e400', '1e-400', '1e5', '3.4e39', '65520'],
  ...['127', '128', '255', '256', '65536', '2147483648', '4294967296', '9007199254740993', '9223372036854775808'],
  ...['18446744073709551616', '-9223372036854775809', '9'.repeat(400), `0.${'1'.repeat(400)}`, '1e999999999'],
  ...['NaN', 'Infinity', '-Infinity', 'undefined', '01', '+1', '.5', '1.', '-', '0x10', "'a'", 'tru', '', '"', '\\'],
  ...['""', '"a"', '"FP32"', '"INT64"', '"BYTES"', '"FP128"', '"\\u0000"', '"\\ud800"', '"\\x"', '"__proto__"', '"x"'],
  ...['"2"', '"-1"', '"\u2028"', `"${'y'.repeat(3000)}"`, '"\n"', '[]', '{}', '[[]]', '[{}]', '[[],[1]]', '[null]'],
  ...['{"b64":"AAAA"}', '{"b64":"?"}', '{"b64":1}', '{"__proto__":{"polluted":1}}', '{"constructor":{"prototype":{}}}'],
  ...['[1,2]', '[1,"a"]', '[[1,2],[3]]', '[-1]', '[0]', '[4294967296,4294967296]', '[9007199254740991]', '[1.5]'],
];
