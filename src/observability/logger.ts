// The log: NDJSON on standard output, one object a line. Bodies and credentials never go in.

import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

/** @param destination where the lines go; standard output by default */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    hooks: { streamWrite: escapeRest },
    redact: ['headers.authorization', 'headers.cookie'],
  };
  return destination ? pino(options, destination) : pino(options, pino.destination({ sync: false }));
}

/** What JSON leaves as it is, and terminals and readers of lines do not: a name in a message may hold it. */
function escapeRest(line: string): string {
  return line.replaceAll(/[\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
