// The statistics extension: of all models, of one, of one version.

import type { FastifyInstance } from 'fastify';
import type { Model } from '../../model/model.ts';
import type { DataPlane } from '../../serving/data-plane.ts';
import { describeRoute } from '../openapi.ts';

interface ModelPath {
  Params: { model: string; version?: string };
}

export function statisticsRoutes(app: FastifyInstance, dataPlane: DataPlane): void {
  const schema = (operationId: string, of: string, errors: readonly number[]) =>
    describeRoute({
      operationId,
      summary: `What ${of} has done since it was loaded`,
      tag: 'observability',
      response: 'modelStatistics',
      errors,
    });
  const config = { scope: 'metrics' } as const;
  app.get('/v2/models/stats', { schema: schema('statistics', 'each ready version', []), config }, () =>
    report(dataPlane.readyModels()),
  );
  app.get<ModelPath>(
    '/v2/models/:model/stats',
    { schema: schema('modelStatistics', 'each ready version of a model', [404, 503]), config },
    ({ params }) => {
      const { name } = dataPlane.model(params.model);
      return report(dataPlane.readyModels().filter((model) => model.name === name));
    },
  );
  app.get<ModelPath>(
    '/v2/models/:model/versions/:version/stats',
    { schema: schema('modelStatisticsVersion', 'a version of a model', [404, 503]), config },
    ({ params }) => report([dataPlane.model(params.model, params.version)]),
  );
}

function report(models: readonly Model[]) {
  return { model_stats: models.map(({ name, version, statistics }) => statistics.report(name, version)) };
}
