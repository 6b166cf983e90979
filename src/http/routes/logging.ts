// The logging extension: what is logged can be changed while the server runs. The file cannot: no request names a path.

import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { logSettings } from '../../codec/schema.ts';
import type { Logger } from '../../observability/logger.ts';
import { controlDisabled } from '../error-handler.ts';
import { describeRoute } from '../openapi.ts';
import { parseBody } from '../parse-body.ts';

type LogSettings = Required<z.output<typeof logSettings>>;

export function loggingRoutes(app: FastifyInstance, logger: Logger, controlAllowed: boolean): void {
  app.get(
    '/v2/logging',
    {
      schema: describeRoute({
        operationId: 'logging',
        summary: 'What is logged',
        tag: 'observability',
        response: 'logSettings',
      }),
      config: { scope: 'metrics' },
    },
    () => settingsOf(logger.level),
  );
  app.post(
    '/v2/logging',
    {
      schema: describeRoute({
        operationId: 'setLogging',
        summary: 'Change what is logged, until the server ends',
        tag: 'observability',
        body: 'logSettings',
        response: 'logSettings',
        errors: [400, 403],
      }),
      config: { scope: 'admin' },
    },
    ({ body }) => {
      if (!controlAllowed) throw controlDisabled('changing what is logged');
      const change = parseBody(logSettings, body);
      logger.level = levelOf({ ...settingsOf(logger.level), ...change });
      return settingsOf(logger.level);
    },
  );
}

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'];

function settingsOf(level: string): LogSettings {
  const rank = LEVELS.indexOf(level);
  return {
    log_file: '',
    log_error: rank >= 1,
    log_warning: rank >= 2,
    log_info: rank >= 3,
    log_verbose_level: Math.max(0, rank - 3),
    log_format: 'ISO8601',
  };
}

/** The log has one threshold, so the most talkative of what is wanted decides. */
function levelOf({ log_verbose_level, log_info, log_warning, log_error }: LogSettings): string {
  if (log_verbose_level > 0) return log_verbose_level > 1 ? 'trace' : 'debug';
  return log_info ? 'info' : log_warning ? 'warn' : log_error ? 'error' : 'fatal';
}
