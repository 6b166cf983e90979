// The model configuration extension: the effective configuration of a model in the shape of Triton's ModelConfig.

import type { FastifyInstance } from 'fastify';
import type { Model, ModelFacts } from '../../model/model.ts';
import type { DataPlane } from '../../serving/data-plane.ts';
import type { TensorMetadata } from '../../tensor/signature.ts';
import { describeRoute } from '../openapi.ts';
import { describeFacts } from './metadata.ts';

interface ModelPath {
  Params: { model: string; version?: string };
}

export function configurationRoutes(app: FastifyInstance, dataPlane: DataPlane): void {
  for (const [path, suffix, of] of [
    ['/v2/models/:model/config', '', 'a model'],
    ['/v2/models/:model/versions/:version/config', 'Version', 'a version of a model'],
  ] as const) {
    app.get<ModelPath>(
      path,
      {
        schema: describeRoute({
          operationId: `modelConfig${suffix}`,
          summary: `Effective configuration of ${of}`,
          tag: 'metadata',
          response: 'modelConfig',
          errors: [404, 503],
        }),
      },
      ({ params }) => describeConfig(dataPlane.model(params.model, params.version)),
    );
  }
}

function describeConfig(model: Model) {
  const { name, signature, facts } = model;
  const { batching, executionProvider, instances, versions } = facts;
  const kind = executionProvider.name === 'cuda' ? 'KIND_GPU' : 'KIND_CPU';
  return {
    name,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    max_batch_size: batching.enabled ? batching.maxBatchSize : 0,
    input: signature.inputs.map((tensor) => describeTensor(tensor, batching.enabled)),
    output: signature.outputs.map((tensor) => describeTensor(tensor, batching.enabled)),
    version_policy: describePolicy(versions),
    instance_group: [{ name, kind, count: instances }],
    // Its presence tells clients which scheduler a model has.
    ...(batching.enabled ? { dynamic_batching: { max_queue_delay_microseconds: 0 } } : {}),
    default_model_filename: 'model.onnx',
    parameters: Object.fromEntries(
      Object.entries(describeFacts(model)).map(([key, value]) => [key, { string_value: String(value) }]),
    ),
  };
}

/** As in Triton, the dimensions of a model that batches do not show the batch. */
function describeTensor({ name, datatype, shape }: TensorMetadata, batches: boolean) {
  return {
    name,
    data_type: datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`,
    dims: shape.slice(batches ? 1 : 0),
  };
}

function describePolicy(versions: ModelFacts['versions']): Record<string, unknown> {
  if (versions === 'all') return { all: {} };
  if ('latest' in versions) return { latest: { num_versions: versions.latest } };
  return { specific: { versions: versions.specific } };
}
