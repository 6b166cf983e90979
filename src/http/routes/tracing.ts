// The trace extension: what is traced, for all models and for one. The file cannot be changed: no request names a path.

import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { traceSettings } from '../../codec/schema.ts';
import type { TraceLevel, Tracing } from '../../observability/tracing.ts';
import type { DataPlane } from '../../serving/data-plane.ts';
import { controlDisabled } from '../error-handler.ts';
import { describeRoute } from '../openapi.ts';
import { parseBody } from '../parse-body.ts';

interface ModelPath {
  Params: { model?: string };
}

export function tracingRoutes(
  app: FastifyInstance,
  tracing: Tracing,
  dataPlane: DataPlane,
  controlAllowed: boolean,
): void {
  for (const [path, suffix, of] of [
    ['/v2/trace/setting', '', 'of all models'],
    ['/v2/models/:model/trace/setting', 'Model', 'of a model'],
  ] as const) {
    const named = (model: string | undefined) => (model === undefined ? undefined : dataPlane.model(model).name);
    const errors = path.includes(':model') ? [404, 503] : [];
    app.get<ModelPath>(
      path,
      {
        schema: describeRoute({
          operationId: `trace${suffix}`,
          summary: `What is traced ${of}`,
          tag: 'observability',
          response: 'traceSettings',
          errors,
        }),
        config: { scope: 'metrics' },
      },
      ({ params }) => show(tracing, named(params.model)),
    );
    app.post<ModelPath>(
      path,
      {
        schema: describeRoute({
          operationId: `setTrace${suffix}`,
          summary: `Change what is traced ${of}, until the server ends`,
          tag: 'observability',
          body: 'traceSettings',
          response: 'traceSettings',
          errors: [400, 403, ...errors],
        }),
        config: { scope: 'admin' },
      },
      ({ params, body }) => {
        if (!controlAllowed) throw controlDisabled('changing what is traced');
        const model = named(params.model);
        tracing.update(model, readChange(parseBody(traceSettings, body)));
        return show(tracing, model);
      },
    );
  }
}

function show(tracing: Tracing, model: string | undefined) {
  const { levels, rate, count } = tracing.settings(model);
  return {
    trace_level: levels.length > 0 ? levels : ['OFF'],
    trace_rate: String(rate),
    trace_count: String(count),
    log_frequency: '0',
    trace_file: '',
    trace_mode: 'triton',
  };
}

function readChange(change: z.output<typeof traceSettings>) {
  const { trace_level: levels, trace_rate, trace_count } = change;
  const number = (text: string | null | undefined) => (typeof text === 'string' ? Number(text) : text);
  return {
    ...(levels === undefined
      ? {}
      : { levels: levels?.flatMap((level): TraceLevel[] => (level === 'OFF' ? [] : [level])) ?? null }),
    ...(trace_rate === undefined ? {} : { rate: number(trace_rate) as number | null }),
    ...(trace_count === undefined ? {} : { count: number(trace_count) as number | null }),
  };
}
