// A child process that runs a model row by row on one thread, without any server around it, and tells what CPU time a row costs.

import { InferenceSession, Tensor } from 'onnxruntime-node';
import { answerTasks } from '../task-process.ts';
import type { LoadTensor } from './heavy-models.ts';

export interface BareCpuTask {
  readonly path: string;
  readonly rows: readonly (readonly LoadTensor[])[];
  readonly seconds: number;
}

export interface BareCpuResult {
  readonly rowsPerCpuSecond: number;
  /** The first output of each row, once. */
  readonly outputs: readonly Float32Array[];
}

const sessions = new Map<string, InferenceSession>();

answerTasks(async ({ path, rows, seconds }: BareCpuTask): Promise<BareCpuResult> => {
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1 };
  const session = sessions.get(path) ?? (await InferenceSession.create(path, options));
  sessions.set(path, session);
  const feeds = rows.map((tensors) =>
    Object.fromEntries(
      tensors.map(({ name, datatype, shape, data }) => [
        name,
        datatype === 'FP32'
          ? new Tensor('float32', data as Float32Array, shape)
          : new Tensor('int64', data as BigInt64Array, shape),
      ]),
    ),
  );
  const outputs: Float32Array[] = [];
  for (const feed of feeds) {
    const results = await session.run(feed);
    outputs.push(Float32Array.from(results[session.outputNames[0]!]!.data as Float32Array));
  }
  const before = process.cpuUsage();
  const endsAt = performance.now() + seconds * 1000;
  let runs = 0;
  while (performance.now() < endsAt) await session.run(feeds[runs++ % feeds.length]!);
  const { user, system } = process.cpuUsage(before);
  return { rowsPerCpuSecond: runs / ((user + system) / 1e6), outputs };
});
