// `ortlet serve`: until a signal comes.

import type { Settings } from '../config/schema.ts';
import { createLogger } from '../observability/logger.ts';
import { createServer } from '../server.ts';
import { progressBar } from './progress.ts';

export async function serve(settings: Settings): Promise<number> {
  const logger = createLogger(settings.logLevel);
  const server = await createServer(settings, logger);
  const ended = untilSignal();
  const address = await server.start(progressBar('loading models'));
  logger.info({ address, models: server.registry.names(), unready: server.registry.unready }, 'ready');
  if (process.stderr.isTTY) process.stderr.write(`\nOrtlet answers on ${address}: try ${address}/docs\n\n`);

  const signal = await ended;
  logger.info({ signal }, 'shutting down');
  const complete = await server.stop();
  logger.info({ complete }, 'stopped');
  return complete ? 0 : 1;
}

function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}
