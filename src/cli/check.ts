// `ortlet check`: loads every model as `serve` would, says what it found, and ends.

import type { Settings } from '../config/schema.ts';
import type { Model } from '../model/model.ts';
import { createLogger } from '../observability/logger.ts';
import { createServer } from '../server.ts';
import type { TensorMetadata } from '../tensor/signature.ts';
import { progressBar } from './progress.ts';

export async function check(settings: Settings): Promise<number> {
  const server = await createServer(settings, createLogger('silent'));
  await server.load(progressBar('loading models'));
  const failed = server.registry.index().filter(({ state }) => state === 'UNAVAILABLE');
  const loaded = server.registry.readyModels();
  for (const model of loaded) process.stdout.write(`${describe(model)}\n`);
  for (const { name, version, reason } of failed)
    process.stdout.write(`FAILED ${name} version ${version}\n  ${reason}\n`);
  process.stdout.write(`${loaded.length} loaded, ${failed.length} failed\n`);
  await server.stop();
  return failed.length > 0 || loaded.length === 0 ? 1 : 0;
}

function describe({ name, version, signature, facts }: Model): string {
  const { batching, executionProvider, hiddenOutputs, padding, tuning } = facts;
  const { curve, instances, threads } = tuning;
  return [
    `OK ${name} version ${version}`,
    ...signature.inputs.map((tensor) => `  input   ${describeTensor(tensor)}`),
    ...signature.outputs.map((tensor) => `  output  ${describeTensor(tensor)}`),
    ...hiddenOutputs.map((output) => `  hidden  ${output.name}: it ${output.reason}`),
    `  batch   ${batching.enabled ? `up to ${batching.maxBatchSize} rows` : 'off'}: ${batching.reason}`,
    ...(batching.enabled
      ? [
          `  padding ${padding.inputs.length > 0 ? padding.inputs.join(', ') : 'off'}: ${padding.reason}`,
          `  runs    ${curve.map(({ rows, ms }) => `${rows} row(s) ${ms.toFixed(2)} ms`).join(', ')}`,
        ]
      : []),
    `  engine  ${executionProvider.name}, ${instances} instance(s) of ${threads.count} thread(s): ${threads.reason}`,
    ...executionProvider.passedOver.map((reason) => `  passed over  ${reason}`),
  ].join('\n');
}

function describeTensor({ name, datatype, shape, symbols }: TensorMetadata): string {
  return `${name} ${datatype} [${shape.map((size, i) => (size < 0 ? symbols?.[i] || '?' : size)).join(', ')}]`;
}
