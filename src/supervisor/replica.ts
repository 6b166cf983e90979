// A replica's entry: one whole server, told by the supervisor when to start and when to end. It listens through
// node:cluster, so all replicas accept from one queue of connections, and none is lost when one of them stops listening.
// When the supervisor is gone, node:cluster ends the process, and its engines end with it.

import { exitAfterLastLines } from '../observability/log-output.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { createServer, type Server } from '../server.ts';
import { letHeapGrow } from './heap.ts';
import type { ToReplica, ToSupervisor } from './messages.ts';

type Start = Extract<ToReplica, { kind: 'start' }>;

// The terminal and service managers signal the whole group; the supervisor decides when replicas end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

const { promise: running, resolve: run } = Promise.withResolvers<{ server: Server; logger: Logger }>();
const scrapes = new Map<number, (text: string) => void>();
let scrapeId = 0;
const hurry = new AbortController();

letHeapGrow();
process.on('message', (message: ToReplica) => void receive(message));

async function receive(message: ToReplica): Promise<void> {
  if (message.kind === 'start') return serve(message);
  if (message.kind === 'scraped') {
    scrapes.get(message.id)?.(message.text);
    scrapes.delete(message.id);
    return;
  }
  if (message.kind === 'hurry') return hurry.abort();
  const { server, logger } = await running;
  if (message.kind === 'measure') return send({ kind: 'measured', id: message.id, metrics: await server.measure() });
  if (message.kind === 'retire') {
    // The others take what comes, so there is no delay.
    await server.retire();
    hurry.abort();
  }
  await stop(server, logger);
}

async function stop(server: Server, logger: Logger): Promise<void> {
  const complete = await server.stop(hurry.signal);
  logger.info({ complete }, 'replica stopped');
  send({ kind: 'stopped', complete, metrics: await server.measure() });
  exitAfterLastLines();
}

async function serve(start: Start): Promise<void> {
  const { settings, place, order } = start;
  const logger = createLogger(settings.logLevel).child({ replica: place });
  try {
    const server = await createServer(settings, logger, { renderMetrics: scrape });
    run({ server, logger });
    process.once('uncaughtException', (error) => {
      process.on('uncaughtException', (error) => server.uncaught(error));
      server.uncaught(error);
      process.exitCode = 1;
      // The others serve; it is replaced when it has gone.
      hurry.abort();
      void stop(server, logger);
    });
    const onProgress = (done: number, total: number) => send({ kind: 'progress', done, total });
    const address = await server.start(onProgress, order);
    const { unready } = server.registry;
    logger.info({ unready }, 'replica ready');
    send({ kind: 'serving', address, models: server.registry.names(), unready });
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    logger.debug({ err: error }, 'replica failed to start');
    send({ kind: 'failed', message, code });
  }
}

/** The metrics of all replicas. */
function scrape(): Promise<string> {
  const id = ++scrapeId;
  return new Promise((resolve) => {
    scrapes.set(id, resolve);
    send({ kind: 'scrape', id });
  });
}

function send(message: ToSupervisor): void {
  process.send?.(message);
}
