// The worker thread of decoding-thread.ts: decodes one body after another and hands the tensors' memory back.

import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { ServingError } from '../errors.ts';
import type { DecodedRequest, InferCodec } from './codec.ts';
import { CODECS } from './codecs.ts';
import type { DecodingAnswer, DecodingJob, DecodingOutcome } from './decoding-thread.ts';

/** As with the engines: on a saturated machine, answering comes before decoding. On Linux a priority is a thread's own. */
const NICENESS = 5;
if (process.platform === 'linux') setPriority(NICENESS);

parentPort!.on('message', (job: DecodingJob) => {
  const outcome = decode(job);
  // Several tensors may be views on one body, in binary form on the job's own memory.
  const held = new Set('request' in outcome ? memoryOf(outcome.request) : []);
  const memory = held.has(job.memory) ? undefined : job.memory;
  const answer: DecodingAnswer = { ...outcome, id: job.id, memory };
  parentPort!.postMessage(answer, [...held, ...(memory ? [memory] : [])]);
});

function decode({ codec, memory, start, length, headerLength, model }: DecodingJob): DecodingOutcome {
  try {
    const decoder: Pick<InferCodec, 'decode'> = CODECS[codec];
    // The codecs that look at the model are those whose jobs have one.
    return { request: decoder.decode(Buffer.from(memory, start, length), headerLength, model!) };
  } catch (error) {
    if (!(error instanceof ServingError)) throw error;
    return { code: error.code, message: error.message };
  }
}

function memoryOf({ inputs }: DecodedRequest): ArrayBuffer[] {
  return Array.from(inputs.values(), ({ data }) =>
    ArrayBuffer.isView(data) ? [data.buffer as ArrayBuffer] : [],
  ).flat();
}
