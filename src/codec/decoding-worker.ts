// The worker thread of decoding-thread.ts: decodes one body after another and hands the tensors' memory back.

import { parentPort } from 'node:worker_threads';
import { ServingError } from '../errors.ts';
import { binaryCodec } from './binary-codec.ts';
import type { DecodingJob, DecodingOutcome } from './decoding-thread.ts';
import { jsonCodec } from './json-codec.ts';

parentPort!.on('message', ({ id, body, headerLength }: DecodingJob) => {
  const { outcome, memory } = decode(Buffer.from(body), headerLength);
  parentPort!.postMessage({ id, ...outcome }, memory);
});

function decode(body: Buffer, headerLength: number | undefined): { outcome: DecodingOutcome; memory: ArrayBuffer[] } {
  try {
    const request = headerLength === undefined ? jsonCodec.decode(body) : binaryCodec.decode(body, headerLength);
    // Several tensors may be views on one body.
    const memory = new Set<ArrayBuffer>();
    for (const { data } of request.inputs.values())
      if (ArrayBuffer.isView(data)) memory.add(data.buffer as ArrayBuffer);
    return { outcome: { request }, memory: [...memory] };
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
    return { outcome: { code: error.code, message: error.message }, memory: [] };
  }
}
