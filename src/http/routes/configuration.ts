// The model configuration extension: the effective configuration of a model in the shape of Triton's ModelConfig.

import type { FastifyInstance } from 'fastify';
import type { Model, ModelFacts } from '../../model/model.ts';
import type { TritonTensor } from '../../model/triton/translation.ts';
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
  const { batching, executionProvider, tuning, versions, triton } = facts;
  const kind = executionProvider.name === 'cuda' ? 'KIND_GPU' : 'KIND_CPU';
  const tensors = (list: readonly TensorMetadata[], configured: readonly TritonTensor[] = []) =>
    list.map((tensor) => describeTensor(tensor, signature.hasRows, configured));
  return {
    name,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    max_batch_size: triton?.maxBatchSize ?? (batching.enabled ? batching.maxBatchSize : 0),
    input: tensors(signature.inputs, triton?.inputs),
    output: tensors(signature.outputs, triton?.outputs).map((output) => ({
      ...output,
      label_filename: triton?.labelFiles.get(output.name) ?? (facts.labels.has('') ? 'labels.txt' : ''),
    })),
    version_policy: describePolicy(versions),
    instance_group: [{ name, kind, count: tuning.instances }],
    // Its presence tells clients which scheduler a model has.
    ...(batching.enabled ? { dynamic_batching: { max_queue_delay_microseconds: 0 } } : {}),
    default_model_filename: triton?.modelFile ?? 'model.onnx',
    parameters: Object.fromEntries(
      Object.entries(describeFacts(model)).map(([key, value]) => [key, { string_value: String(value) }]),
    ),
  };
}

/** As in Triton, the dimensions of a model with rows do not show them. */
function describeTensor(
  { name, datatype, shape, defaultValue }: TensorMetadata,
  hasRows: boolean,
  configured: readonly TritonTensor[],
) {
  const { dims, modelDims } = configured.find((tensor) => tensor.name === name) ?? {};
  return {
    name,
    data_type: datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`,
    dims: dims ?? shape.slice(hasRows ? 1 : 0),
    ...(defaultValue && { optional: true }),
    ...(modelDims && modelDims !== dims ? { reshape: { shape: modelDims } } : {}),
  };
}

function describePolicy(versions: ModelFacts['versions']): Record<string, unknown> {
  if (versions === 'all') return { all: {} };
  if ('latest' in versions) return { latest: { num_versions: versions.latest } };
  return { specific: { versions: versions.specific } };
}
