// What the server and its models are.

import type { FastifyInstance } from 'fastify';
import type { Model, ModelFacts } from '../../model/model.ts';
import type { DataPlane } from '../../serving/data-plane.ts';
import type { TensorMetadata } from '../../tensor/signature.ts';
import { API_INFO, describeRoute } from '../openapi.ts';

/** The protocol's extensions that are there. */
export const SERVER_EXTENSIONS = [
  'binary_tensor_data',
  'classification',
  'logging',
  'model_configuration',
  'model_repository',
  'parameters',
  'statistics',
  'trace',
];

interface ModelPath {
  Params: { model: string; version?: string };
}

export function metadataRoutes(app: FastifyInstance, dataPlane: DataPlane, serverName: string): void {
  const server = { name: serverName, version: API_INFO.version, extensions: SERVER_EXTENSIONS };
  app.get(
    '/v2',
    {
      schema: describeRoute({
        operationId: 'serverMetadata',
        summary: 'Name, version and extensions',
        tag: 'metadata',
        response: 'serverMetadata',
      }),
    },
    () => server,
  );
  app.get(
    '/v2/models',
    {
      schema: describeRoute({
        operationId: 'listModels',
        summary: 'Names of all models',
        tag: 'metadata',
        response: 'modelList',
      }),
    },
    () => ({ models: dataPlane.models() }),
  );
  for (const [path, suffix, of] of [
    ['/v2/models/:model', '', 'a model'],
    ['/v2/models/:model/versions/:version', 'Version', 'a version of a model'],
  ] as const) {
    app.get<ModelPath>(
      path,
      {
        schema: describeRoute({
          operationId: `modelMetadata${suffix}`,
          summary: `Inputs and outputs of ${of}`,
          tag: 'metadata',
          response: 'modelMetadata',
          errors: [404, 503],
        }),
      },
      ({ params }) => {
        const model = dataPlane.model(params.model, params.version);
        return describeModel(model, params.version ? [model.version] : dataPlane.readyVersions(model.name));
      },
    );
    app.get<ModelPath>(
      `${path}/ready`,
      {
        schema: describeRoute({
          operationId: `modelReady${suffix}`,
          summary: `Whether ${of} is ready`,
          tag: 'health',
          response: 'modelReady',
          errors: [404, 503],
        }),
      },
      ({ params }) => ({ name: dataPlane.model(params.model, params.version).name, ready: true }),
    );
  }
}

/** What was decided at load, and why, as the protocol's parameters. */
export function describeFacts({ facts }: Model): Record<string, string | number> {
  const { batching, executionProvider, hiddenOutputs, padding, passedOver, tuning } = facts;
  return {
    batching: batching.enabled ? `up to ${batching.maxBatchSize} rows` : 'off',
    batching_reason: batching.reason,
    ...(padding.inputs.length > 0 ? { padding: padding.inputs.join(', ') } : {}),
    ...(batching.enabled ? { padding_reason: padding.reason } : {}),
    ...(tuning.curve.length > 0
      ? { batch_curve_ms: printCurve(tuning.curve), batch_curve_source: tuning.source, batch_knee: tuning.knee }
      : {}),
    instances: tuning.instances,
    threads: tuning.threads.count,
    threads_reason: tuning.threads.reason,
    ...(tuning.trials.length > 0 ? { plans_tried: tuning.trials.map(printTrial).join(', ') } : {}),
    execution_provider: executionProvider.name,
    // Why a provider failed can name files: that stays in the log.
    ...(executionProvider.passedOver.length > 0
      ? {
          execution_provider_reason: `${executionProvider.passedOver.map((reason) => reason.split(':')[0]).join(', ')} could not be used here`,
        }
      : {}),
    ...(hiddenOutputs.length > 0
      ? { hidden_outputs: hiddenOutputs.map((output) => `'${output.name}' ${output.reason}`).join('; ') }
      : {}),
    ...(passedOver.length > 0 ? { configuration_passed_over: passedOver.join('; ') } : {}),
  };
}

/** `1: 0.21, 2: 0.25`: rows and milliseconds of a run. */
function printCurve(curve: ModelFacts['tuning']['curve']): string {
  return curve.map(({ rows, ms }) => `${rows}: ${Number(ms.toPrecision(3))}`).join(', ');
}

function printTrial({ instances, threads, rowsPerSecond }: ModelFacts['tuning']['trials'][number]): string {
  return `${instances} x ${threads} threads: ${Number(rowsPerSecond.toPrecision(3))} rows/s`;
}

function describeModel(model: Model, versions: readonly string[]) {
  const { name, signature } = model;
  return {
    name,
    versions,
    platform: 'onnxruntime_onnx',
    inputs: signature.inputs.map(describeTensor),
    outputs: signature.outputs.map(describeTensor),
    parameters: describeFacts(model),
  };
}

function describeTensor({ name, datatype, shape }: TensorMetadata) {
  return { name, datatype, shape };
}
