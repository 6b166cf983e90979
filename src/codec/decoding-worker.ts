// The worker thread of decoding-thread.ts: decodes one body after another and hands the tensors' memory back.

import { parentPort } from 'node:worker_threads';
import { ServingError } from '../errors.ts';
import type { InferCodec } from './codec.ts';
import { CODECS } from './codecs.ts';
import type { DecodingJob, DecodingOutcome } from './decoding-thread.ts';

parentPort!.on('message', (job: DecodingJob) => {
  const { outcome, memory } = decode(job);
  parentPort!.postMessage({ id: job.id, ...outcome }, memory);
});

function decode({ codec, body, headerLength, model }: DecodingJob): {
  outcome: DecodingOutcome;
  memory: ArrayBuffer[];
} {
  try {
    const decoder: Pick<InferCodec, 'decode'> = CODECS[codec];
    // The codecs that look at the model are those whose jobs have one.
    const request = decoder.decode(Buffer.from(body), headerLength, model!);
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
