// What ends a server's process, and what sees to it that it ends.

import { exitAfterLastLines } from '../observability/log-output.ts';
import type { Logger } from '../observability/logger.ts';

/** Beyond the delay and the drain limit: whatever still runs then is hung. */
const MARGIN_MS = 3000;

export interface Ending {
  /** Resolves with what began the end: a signal's name, or `uncaught error`. */
  readonly begun: Promise<string>;
  /** Aborted by the second signal. */
  readonly hurry: AbortSignal;
}

/** @param onUncaught hears every error that nobody caught; the first of them begins the end */
export function awaitEnding(onUncaught: (error: unknown) => void): Ending {
  const hurry = new AbortController();
  const { promise: begun, resolve } = Promise.withResolvers<string>();
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      resolve(signal);
      if (++signals === 2) hurry.abort();
    });
  }
  // Rejections that nobody handles come here too.
  process.on('uncaughtException', (error) => {
    onUncaught(error);
    process.exitCode = 1;
    resolve('uncaught error');
  });
  return { begun, hurry: hurry.signal };
}

/**
 * Stops, with a limit to it. @returns the exit code: 0 when everything was finished
 * @param stop gives false when something was cut short
 */
export async function endWithin(
  limits: { readonly shutdownDelayMs: number; readonly drainTimeoutMs: number },
  cause: string,
  stop: () => Promise<boolean>,
  logger: Logger,
): Promise<number> {
  logger.info({ signal: cause }, 'shutting down');
  // Engines and replicas end when this process does.
  setTimeout(() => process.exit(1), limits.shutdownDelayMs + limits.drainTimeoutMs + MARGIN_MS).unref();
  const complete = await stop();
  logger.info({ complete }, 'stopped');
  const code = complete && process.exitCode !== 1 ? 0 : 1;
  exitAfterLastLines(code);
  return code;
}
