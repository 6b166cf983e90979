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
    redact: ['headers.authorization', 'headers.cookie'],
  };
  return destination ? pino(options, destination) : pino(options, pino.destination({ sync: false }));
}
