// Batching is never slower than no batching: the server as it comes beside the same with `batching: off`, for every model
// and number of connections, in turns.

import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MODELS, modelPath, writeModels } from '../models.ts';
import { seededRandom } from '../random.ts';
import { binaryRequest, type LoadTensor, picture, tokens } from './heavy-models.ts';
import { inferUrl, startOrtlet, startSender } from './ortlet.ts';
import type { Measure } from './report.ts';
import { median, quantile, timesOf } from './statistics.ts';

const CONNECTIONS = [1, 4, 16, 64];
const ROWS: Record<string, readonly LoadTensor[]> = {
  ...Object.fromEntries(
    MODELS.map(({ name, input, columns }) => {
      const data = Float32Array.from({ length: columns }, seededRandom(columns));
      return [name, [{ name: input, datatype: 'FP32', shape: [1, columns], data }]];
    }),
  ),
  encoder: tokens(32, 1),
  recogniser: picture(1),
};
const OTHER_ENCODER = 'other-encoder';
const WANTED = { throughput: 0.97, p99: 1.1 };

export const batching: Measure = async ({ models, otherEncoder, rounds, seconds, flags, onProgress }) => {
  writeModels(models);
  if (otherEncoder !== undefined) {
    mkdirSync(join(models, OTHER_ENCODER));
    copyFileSync(otherEncoder, modelPath(models, OTHER_ENCODER));
  }
  const measured = Object.entries({ ...ROWS, ...(otherEncoder !== undefined && { [OTHER_ENCODER]: ROWS.encoder! }) });
  const sender = startSender();
  const [on, off] = [await startOrtlet(models, flags), await startOrtlet(models, ['--batching', 'off', ...flags])];
  const rows: (string | number)[][] = [];
  const faults: string[] = [];
  try {
    for (const [model, tensors] of measured) {
      for (const connections of CONNECTIONS) {
        const results = { throughput: { on: [], off: [] }, p99: { on: [], off: [] } } as Record<
          string,
          Record<string, number[]>
        >;
        for (let round = 0; round <= rounds; round++) {
          const order = [['on', on] as const, ['off', off] as const];
          for (const [name, server] of round % 2 ? order : order.toReversed()) {
            const url = inferUrl(server, model);
            const task = { url: url.href, requests: [binaryRequest(url, tensors)], connections, seconds };
            const { samples, elapsedMs } = await sender.ask(task);
            if (round === 0) continue; // Warms both up.
            const times = timesOf(samples);
            if (times.length < samples.length)
              faults.push(`${model}: ${samples.length - times.length} requests failed`);
            results.throughput![name]!.push((times.length * 1000) / elapsedMs);
            results.p99![name]!.push(quantile(times, 0.99));
          }
          onProgress();
        }
        const throughput = median(results.throughput!.on!) / median(results.throughput!.off!);
        const p99 = median(results.p99!.on!) / median(results.p99!.off!);
        const kept = throughput >= WANTED.throughput && p99 <= WANTED.p99;
        rows.push([
          model,
          connections,
          median(results.throughput!.off!),
          median(results.throughput!.on!),
          throughput,
          median(results.p99!.off!),
          median(results.p99!.on!),
          p99,
          kept ? 'yes' : 'no',
        ]);
      }
    }
  } finally {
    sender.end();
    await Promise.all([on.end(), off.end()]);
  }
  return {
    title: [
      `Batching as it comes beside batching off (wanted: throughput >= ${WANTED.throughput}, p99 <= ${WANTED.p99})`,
      ...(otherEncoder === undefined ? [`${OTHER_ENCODER} skipped: --other-encoder names no file`] : []),
    ].join('\n'),
    header: ['model', 'connections', 'off rows/s', 'on rows/s', 'ratio', 'off p99 ms', 'on p99 ms', 'ratio', 'kept'],
    rows,
    faults,
  };
};
