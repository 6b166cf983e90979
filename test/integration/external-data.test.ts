// Tensors in files beside the model: those of its folder are served, whatever leads elsewhere is refused before the
// runtime sees it.

import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkExternalData } from '../../src/model/external-data.ts';
import { repositoryOf } from '../fixtures/models.ts';
import { type Graph, writeOnnx } from '../fixtures/onnx-writer.ts';
import { serverOf, x } from '../fixtures/server.ts';

const WEIGHTS = new Uint8Array(Float32Array.from([10, 20]).buffer);

/** y = x + a tensor that lies elsewhere. */
function adding(external: Record<string, string>): Graph {
  return {
    nodes: [{ operator: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
    inputs: [{ name: 'x', type: 'float', shape: ['batch', 2] }],
    outputs: [{ name: 'y', type: 'float', shape: ['batch', 2] }],
    initializers: [{ name: 'w', type: 'float', shape: [2], data: new Uint8Array(), external }],
  };
}

test('a tensor in a file of the folder is served', async () => {
  using repository = repositoryOf({
    'm/model.onnx': adding({ location: 'weights/w.bin', offset: '0', length: '8' }),
    'm/weights/w.bin': WEIGHTS,
  });
  await using server = await serverOf(repository.path);
  expect((await server.infer('m', [x('FP32', [1, 2], [1, 2])])).body.outputs[0]!.data).toEqual([11, 22]);
});

const REFUSED: readonly [string, Record<string, string>, string][] = [
  ['above the folder', { location: '../outside.bin' }, 'not below its folder'],
  ['above it on a detour', { location: 'weights/../../outside.bin' }, 'not below its folder'],
  ['by an absolute path', { location: '/etc/hostname' }, 'not below its folder'],
  ['in a file without a name', { location: '' }, 'not below its folder'],
  ['by a link that leads out', { location: 'link.bin' }, 'leads out of its folder'],
  ['in a file that is missing', { location: 'nosuch.bin' }, 'not there'],
  ['in a folder', { location: 'weights' }, 'no regular file'],
  ['in a pipe', { location: 'pipe' }, 'no regular file'],
  ['beyond the end of the file', { location: 'w.bin', offset: '4', length: '8' }, 'of which it wants bytes 4 to 12'],
  ['of a length that is no number', { location: 'w.bin', offset: '0', length: '-8' }, 'of which it wants bytes'],
];

test('whatever leads elsewhere fails the load with its reason', async () => {
  using repository = repositoryOf({ 'outside.bin': WEIGHTS, 'm/w.bin': WEIGHTS, 'm/weights/w.bin': WEIGHTS });
  symlinkSync('../outside.bin', `${repository.path}/m/link.bin`);
  execFileSync('mkfifo', [`${repository.path}/m/pipe`]);
  for (const [where, external, reason] of REFUSED) {
    repository.add('m/model.onnx', adding(external));
    expect(() => checkExternalData(`${repository.path}/m/model.onnx`, undefined), where).toThrow(reason);
  }
  await using server = await serverOf(repository.path);
  const [entry] = server.registry.index();
  expect(entry).toMatchObject({ state: 'UNAVAILABLE', reason: expect.stringContaining('of which it wants bytes') });
});

test('a model that is sent in a request has no files beside it', () => {
  const content = writeOnnx(adding({ location: 'w.bin' }));
  expect(() => checkExternalData(undefined, content)).toThrow('which a model that is not read from its folder cannot');
});

test('tensors are found in the graphs of nodes too', () => {
  const inner = adding({ location: '../outside.bin' });
  const node = { operator: 'If', inputs: ['x'], outputs: ['y'], attributes: { then_branch: { graph: inner } } };
  const outer: Graph = { nodes: [node], inputs: inner.inputs, outputs: inner.outputs };
  using repository = repositoryOf({ 'm/model.onnx': outer });
  expect(() => checkExternalData(`${repository.path}/m/model.onnx`, undefined)).toThrow('not below its folder');
});
