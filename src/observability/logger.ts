// The log: NDJSON on standard output, one object a line. Bodies and credentials never go in.

import { type DestinationStream, type Logger, pino } from 'pino';
import { LogOutput } from './log-output.ts';

export type { Logger };

/** @param destination where the lines go; standard output by default */
export function createLogger(level: string, destination: DestinationStream = new LogOutput()): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: { streamWrite: escapeRest },
    redact: ['headers.authorization', 'headers.cookie'],
  };
  return pino(options, destination);
}

/** Lines that could not be written, of the logger and of all that are its children. */
export function droppedLines(logger: Logger): number {
  const { [pino.symbols.streamSym]: destination } = logger as unknown as Record<symbol, unknown>;
  return destination instanceof LogOutput ? destination.dropped : 0;
}

/** What JSON leaves as it is, and terminals and readers of lines do not: a name in a message may hold it. */
function escapeRest(line: string): string {
  return line.replaceAll(/[\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
