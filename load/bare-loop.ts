// A child process that runs a model in a loop without any server around it: the most rows a second that this machine
// gets out of the runtime, at whichever batch size is best.

import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { LoadModel } from './models.ts';
import { seededRandom } from './random.ts';
import { answerTasks } from './task-process.ts';

export interface BareTask {
  readonly model: LoadModel;
  readonly path: string;
  readonly threads: number;
  /** For all batch sizes together. */
  readonly seconds: number;
}

export interface BareResult {
  readonly rowsPerSecond: number;
  readonly batchSize: number;
}

const BATCH_SIZES = [1, 2, 4, 8, 16, 32, 64];
const WARM_UP_RUNS = 20;
const sessions = new Map<string, InferenceSession>();

answerTasks(async ({ model, path, threads, seconds }: BareTask): Promise<BareResult> => {
  const session = sessions.get(path) ?? (await InferenceSession.create(path, { intraOpNumThreads: threads }));
  sessions.set(path, session);
  let best: BareResult = { rowsPerSecond: 0, batchSize: 0 };
  for (const batchSize of BATCH_SIZES) {
    const rowsPerSecond = await measure(session, model, batchSize, (seconds * 1000) / BATCH_SIZES.length);
    if (rowsPerSecond > best.rowsPerSecond) best = { rowsPerSecond, batchSize };
  }
  return best;
});

async function measure(session: InferenceSession, model: LoadModel, batchSize: number, ms: number): Promise<number> {
  const random = seededRandom(batchSize);
  const floats = Float32Array.from({ length: batchSize * model.columns }, () => random() * 2 - 1);
  const feeds = { [model.input]: new Tensor('float32', floats, [batchSize, model.columns]) };
  for (let i = 0; i < WARM_UP_RUNS; i++) await session.run(feeds);
  const startedAt = performance.now();
  let elapsedMs = 0;
  let runs = 0;
  while (elapsedMs < ms) {
    await session.run(feeds);
    runs++;
    elapsedMs = performance.now() - startedAt;
  }
  return (runs * batchSize * 1000) / elapsedMs;
}
