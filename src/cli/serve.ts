// `ortlet serve`: until a signal comes.

import { isIPv4 } from 'node:net';
import { readCertificates } from '../config/certificates.ts';
import { SettingsError } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import { readCpuLimits, shareLimits } from '../execution/cpu-plan.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { createServer, type Server } from '../server.ts';
import { letHeapGrow } from '../supervisor/heap.ts';
import { Supervisor } from '../supervisor/supervisor.ts';
import { awaitEnding, endWithin } from './ending.ts';
import { progressBar } from './progress.ts';

export async function serve(settings: Settings): Promise<number> {
  if (settings.adminPort !== undefined && settings.modelControl !== 'explicit') {
    throw new SettingsError(
      `adminPort needs modelControl 'explicit': with '${settings.modelControl}' no route answers there alone`,
    );
  }
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
  process.on('SIGHUP', () => renewCertificates(server, logger));
  await Promise.race([started, begun]);
  return endWithin(settings, await begun, () => server.stop(hurry), logger);
}

function renewCertificates(server: Server, logger: Logger): void {
  const line = { signal: 'SIGHUP' };
  try {
    logger.info(line, server.renewCertificates() ? 'certificates renewed' : 'nothing to reload');
  } catch (error) {
    logger.error({ ...line, how: (error as Error).message }, 'certificates not renewed: those of before are kept');
  }
}

/** The same, by several processes behind one port; SIGHUP replaces them one after the other. */
async function serveReplicas(settings: Settings): Promise<number> {
  if (settings.modelControl === 'explicit') {
    const why = 'a request to load or unload a model would reach one replica alone';
    throw new SettingsError(`replicas '${settings.replicas}' and modelControl 'explicit' exclude each other: ${why}`);
  }
  // Replicas read them for themselves, when each of them starts.
  readCertificates(settings);
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

function warnIfOpen(
  { host, apiKeys, tlsClientCa, modelControl, adminHost, adminPort }: Settings,
  logger: Logger,
): void {
  if (apiKeys.length > 0 || tlsClientCa !== undefined) return;
  const warn = (host: string, what: string) =>
    logger.warn({ host }, `NO API KEYS: whoever reaches this address may ${what}; make a key with: ortlet key <name>`);
  const all = 'use, load and unload the models';
  const admin = modelControl === 'explicit' && adminPort === undefined;
  if (!isLoopback(host)) warn(host, admin ? all : 'use the models');
  if (adminPort !== undefined && !isLoopback(adminHost)) warn(adminHost, all);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function sayWhere(address: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\nOrtlet answers on ${address}: try ${address}/docs\n\n`);
}
