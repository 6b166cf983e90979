// Memory that is needed no more, freed now: whatever moves megabytes leaves so many chunks behind that collecting them stops
// the event loop for longer than copying them took, and all of them are resident until then.

import type { Tensor } from './tensor.ts';

/** Detaching a smaller one costs more than collecting it. */
const LEAST_BYTES = 32 * 1024;
/** More than a pool that small buffers share has. */
const LEAST_TENSOR_BYTES = 128 * 1024;

/** How many will give back memory that they share. */
const shares = new WeakMap<ArrayBufferLike, number>();

/** Frees a large chunk's memory, where it has its own; the chunk is empty then. */
export function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= LEAST_BYTES && byteLength === buffer.byteLength) (buffer as ArrayBuffer).transfer(0);
}

/** Notes that the memory of tensors is divided among so many, each of whom may give back its part. */
export function shareTensors(tensors: Iterable<Tensor>, parts: number): void {
  for (const memory of memoryOf(tensors)) shares.set(memory, parts);
}

/**
 * Frees the memory of large tensors once all who share it have given it back. Who does not, because his request was
 * cancelled, leaves it to be collected.
 * @param tensors that nobody looks at any more, nor at anything else in the same memory
 */
export function giveBackTensors(tensors: Iterable<Tensor>): void {
  for (const memory of memoryOf(tensors)) {
    const others = (shares.get(memory) ?? 1) - 1;
    if (others > 0) shares.set(memory, others);
    else memory.transfer(0);
  }
}

function memoryOf(tensors: Iterable<Tensor>): Set<ArrayBuffer> {
  const memory = new Set<ArrayBuffer>();
  for (const { data } of tensors) {
    if (ArrayBuffer.isView(data) && data.buffer.byteLength >= LEAST_TENSOR_BYTES)
      memory.add(data.buffer as ArrayBuffer);
  }
  return memory;
}
