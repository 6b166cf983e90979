// Texts of mixed lengths: Ortlet beside a batcher that fills everything up to the longest that waits, and both beside runs
// without any padding.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { planThreads, readCpuLimits } from '../../src/execution/cpu-plan.ts';
import { freePort, ServerProcess } from '../server-process.ts';
import { TaskProcess } from '../task-process.ts';
import type { BareCpuResult, BareCpuTask } from './bare-cpu.ts';
import { binaryRequest, jsonBody, mixedLengths } from './heavy-models.ts';
import { inferUrl, metric, startOrtlet, startSender } from './ortlet.ts';
import type { Measure } from './report.ts';
import { median, quantile, timesOf } from './statistics.ts';

const ROWS = mixedLengths(200, 7);
const CONNECTIONS = 32;
const COMPARED = 40;

export const lengths: Measure = async ({ models, rounds, seconds, flags, onProgress }) => {
  const path = join(models, 'encoder', 'model.onnx');
  const sender = startSender();
  const bare = new TaskProcess<BareCpuTask, BareCpuResult>(new URL('./bare-cpu.ts', import.meta.url));
  const [ortlet, fifo] = [await startOrtlet(models, flags), await startFifo(path)];
  const faults: string[] = [];
  const results = new Map([
    ['FIFO, full padding', [] as number[][]],
    ['Ortlet', []],
  ]);
  try {
    for (let round = 0; round <= rounds; round++) {
      const order = [['Ortlet', ortlet] as const, ['FIFO, full padding', fifo] as const];
      for (const [name, server] of round % 2 ? order : order.toReversed()) {
        const url = inferUrl(server, 'encoder');
        const requests = ROWS.map((row) => binaryRequest(url, row));
        const { samples, elapsedMs } = await sender.ask({ url: url.href, requests, connections: CONNECTIONS, seconds });
        const times = timesOf(samples);
        if (times.length < samples.length) faults.push(`${name}: ${samples.length - times.length} requests failed`);
        if (round > 0)
          results.get(name)!.push([(times.length * 1000) / elapsedMs, quantile(times, 0.5), quantile(times, 0.99)]);
        onProgress();
      }
    }
    const rows = ROWS.slice(0, COMPARED);
    const { outputs } = await bare.ask({ path, rows, seconds: 0 });
    const url = inferUrl(ortlet, 'encoder');
    const answers = await Promise.all(rows.map((row) => askOnce(url, row)));
    const difference = Math.max(
      ...answers.flatMap((answer, i) => answer.map((value, k) => Math.abs(value - outputs[i]![k]!))),
    );
    if (!(difference <= 1e-4)) faults.push(`outputs differ from those of unpadded runs by ${difference}`);
    const padding = await meanPadding(ortlet);
    const medians = [...results].map(([name, list]) => [
      name,
      ...[0, 1, 2].map((i) => median(list.map((values) => values[i]!))),
    ]);
    const [theirs, ours] = medians as [string, number, number, number][];
    return {
      title: `Lengths 8 to 256, ${CONNECTIONS} connections; largest difference from unpadded runs ${difference.toExponential(1)}; padding ${(100 * padding).toFixed(1)} % of Ortlet's runs`,
      header: ['server', 'rows/s', 'p50 ms', 'p99 ms', 'rows/s by FIFO'],
      rows: [
        [...theirs!, 1],
        [...ours!, ours![1] / theirs![1]],
      ],
      faults,
    };
  } finally {
    sender.end();
    bare.end();
    await Promise.all([ortlet.end(), fifo.end()]);
  }
};

async function startFifo(model: string): Promise<ServerProcess> {
  const port = await freePort();
  const { threads } = planThreads(readCpuLimits(), 1);
  const file = fileURLToPath(new URL('./fifo-server.ts', import.meta.url));
  const flags = ['--model', model, '--port', String(port), '--threads', String(threads)];
  const server = new ServerProcess('The FIFO server', port, [file, ...flags]);
  await server.ready();
  return server;
}

async function askOnce(url: URL, row: (typeof ROWS)[number]): Promise<number[]> {
  const response = await fetch(url, { method: 'POST', body: jsonBody(row) });
  const { outputs } = (await response.json()) as { outputs: { data: number[] }[] };
  return outputs[0]!.data;
}

async function meanPadding(server: ServerProcess): Promise<number> {
  const [sum, count] = await Promise.all(
    ['sum', 'count'].map((part) => metric(server, `ortlet_batch_padding_ratio_${part}`)),
  );
  return sum! / count!;
}
