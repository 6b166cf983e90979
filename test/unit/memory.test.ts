import { expect, test } from 'vitest';
import { Batch } from '../../src/batching/batch.ts';
import type { Entry } from '../../src/batching/queue-entry.ts';
import { giveBack, giveBackTensors } from '../../src/tensor/memory.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';

const LARGE = 64 * 1024;
const tensor = (data: Float32Array<ArrayBuffer>): Tensor => ({ datatype: 'FP32', shape: [2, data.length / 2], data });

test('a large chunk that has its memory for itself is freed, others are left to be collected', () => {
  const [own, part, small] = [new Uint8Array(100_000), new Uint8Array(200_000).subarray(1), new Uint8Array(100)];
  for (const chunk of [own, part, small]) giveBack(chunk);
  expect([own, part, small].map(({ length }) => length)).toEqual([0, 199_999, 100]);
});

test('tensors that lie in one large piece of memory are freed together, small ones and texts are left', () => {
  const memory = new ArrayBuffer(8 * LARGE);
  const [first, second] = [new Float32Array(memory, 0, LARGE), new Float32Array(memory, 4 * LARGE)];
  const small = new Float32Array(10);
  giveBackTensors([tensor(first), tensor(second), tensor(small), { datatype: 'BYTES', shape: [1], data: ['text'] }]);
  expect([first.length, second.length, small.length]).toEqual([0, 0, 10]);
});

test('the memory of a run that several requests share is freed when the last of them gives it back', () => {
  const entry = { rows: 1, length: 1 } as Entry;
  const parts = new Batch([entry, entry], 'idle', undefined).split(
    new Map([['y', tensor(new Float32Array(2 * LARGE))]]),
  );
  const lengths = () => parts.map((part) => part.get('y')!.data.length);
  giveBackTensors(parts[0]!.values());
  expect(lengths()).toEqual([LARGE, LARGE]);
  giveBackTensors(parts[1]!.values());
  expect(lengths()).toEqual([0, 0]);
});
