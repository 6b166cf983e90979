// Rows per CPU-second of all Ortlet's processes together against a bare loop on one thread: what serving costs where runs
// are long. The sender shares the cores, so wall-clock rows would measure it too.

import { join } from 'node:path';
import { TaskProcess } from '../task-process.ts';
import type { BareCpuResult, BareCpuTask } from './bare-cpu.ts';
import { binaryRequest, HEAVY_MODELS, type HeavyModel, type LoadTensor, picture, tokens } from './heavy-models.ts';
import { inferUrl, startOrtlet, startSender } from './ortlet.ts';
import type { Measure } from './report.ts';
import { median, timesOf } from './statistics.ts';

const CONNECTIONS = 16;
/** Until the server's code is compiled: with so few requests a second that takes long. */
const WARM_UP_SECONDS = 20;
const WANTED: Record<HeavyModel, number> = { encoder: 0.92, recogniser: 0.88 };
const ROWS: Record<HeavyModel, readonly (readonly LoadTensor[])[]> = {
  encoder: [1, 2, 3, 4].map((seed) => tokens(128, seed)),
  recogniser: [1, 2, 3, 4].map((seed) => picture(seed)),
};

export const compute: Measure = async ({ models, rounds, seconds, flags, onProgress }) => {
  const sender = startSender();
  const bare = new TaskProcess<BareCpuTask, BareCpuResult>(new URL('./bare-cpu.ts', import.meta.url));
  const server = await startOrtlet(models, flags);
  const rows: (string | number)[][] = [];
  const faults: string[] = [];
  try {
    for (const model of HEAVY_MODELS) {
      const url = inferUrl(server, model);
      const requests = ROWS[model].map((row) => binaryRequest(url, row));
      const task = { url: url.href, requests, connections: CONNECTIONS, seconds };
      const path = join(models, model, 'model.onnx');
      await sender.ask({ ...task, seconds: WARM_UP_SECONDS });
      const [ours, theirs, ratios]: number[][] = [[], [], []];
      for (let round = 0; round < rounds; round++) {
        const { rowsPerCpuSecond } = await bare.ask({ path, rows: ROWS[model], seconds });
        const before = server.cpuSeconds ?? Number.NaN;
        const { samples } = await sender.ask(task);
        const answered = timesOf(samples).length;
        if (answered < samples.length) faults.push(`${model}: ${samples.length - answered} requests failed`);
        ours!.push(answered / (server.cpuSeconds! - before));
        theirs!.push(rowsPerCpuSecond);
        ratios!.push(ours!.at(-1)! / rowsPerCpuSecond);
        onProgress();
      }
      const share = median(ratios!);
      rows.push([
        model,
        median(theirs!),
        median(ours!),
        share,
        `${Math.min(...ratios!).toFixed(3)}-${Math.max(...ratios!).toFixed(3)}`,
        WANTED[model],
      ]);
    }
  } finally {
    sender.end();
    bare.end();
    await server.end();
  }
  return {
    title: `Rows per CPU-second, binary, ${CONNECTIONS} connections`,
    header: ['model', 'bare loop', 'Ortlet', 'share', 'in rounds', 'wanted'],
    rows,
    faults,
  };
};
