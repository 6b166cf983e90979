// `ortlet serve`: until a signal comes.

import { isIPv4 } from 'node:net';
import { SettingsError } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import { readCpuLimits, shareLimits } from '../execution/cpu-plan.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { createServer } from '../server.ts';
import { letHeapGrow } from '../supervisor/heap.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { awaitEnding, endWithin } from './ending.ts';
import { progressBar } from './progress.ts';

export async function serve(settings: Settings): Promise<number> {
  return settings.replicas === 1 ? serveAlone(settings) : serveReplicas(settings);
}

async function serveAlone(settings: Settings): Promise<number> {
  letHeapGrow();
  const logger = createLogger(settings.logLevel);
  warnIfOpen(settings, logger);
  const creating = createServer(settings, logger);
  const { begun, hurry } = awaitEnding((error) => void creating.then((server) => server.uncaught(error)));
  const server = await creating;
  const started = server.start(progressBar('loading models')).then((address) => {
    logger.info({ address, models: server.registry.names(), unready: server.registry.unready }, 'ready');
    sayWhere(address);
  });
  process.on('SIGHUP', () => logger.info({ signal: 'SIGHUP' }, 'nothing to reload'));
  await Promise.race([started, begun]);
  return endWithin(settings, await begun, () => server.stop(hurry), logger);
}

/** The same, by several processes behind one port; SIGHUP replaces them one after the other. */
async function serveReplicas(settings: Settings): Promise<number> {
  if (settings.modelControl === 'explicit') {
    const why = 'a request to load or unload a model would reach one replica alone';
    throw new SettingsError(`replicas '${settings.replicas}' and modelControl 'explicit' exclude each other: ${why}`);
  }
  const { replicas } = shareLimits(readCpuLimits(), settings.replicas);
  const logger = createLogger(settings.logLevel);
  warnIfOpen(settings, logger);
  const supervisor = new Supervisor({ ...settings, replicas }, logger);
  const { begun, hurry } = awaitEnding((error) => supervisor.uncaught(error));
  process.on('SIGHUP', () => {
    logger.info({ signal: 'SIGHUP' }, 'rolling the replicas');
    void supervisor.roll();
  });
  const started = supervisor.start(progressBar('loading models')).then(({ address, models, unready }) => {
    logger.info({ address, replicas, models, unready }, 'ready');
    sayWhere(address);
  });
  await Promise.race([started, begun]);
  return endWithin(settings, await begun, () => supervisor.stop(hurry), logger);
}

function warnIfOpen({ host, apiKeys, modelControl }: Settings, logger: Logger): void {
  if (apiKeys.length > 0 || isLoopback(host)) return;
  const what = modelControl === 'explicit' ? 'use, load and unload the models' : 'use the models';
  logger.warn({ host }, `NO API KEYS: whoever reaches this address may ${what}; make a key with: ortlet key <name>`);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function sayWhere(address: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\nOrtlet answers on ${address}: try ${address}/docs\n\n`);
}
