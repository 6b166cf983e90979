// What TensorFlow Serving says of its models: their names, the state of each version, and their signatures.

import type { FastifyInstance } from 'fastify';
import type { Model } from '../../model/model.ts';
import { type IndexEntry, isRetired, type ModelState, type Registry } from '../../repository/registry.ts';
import type { DataPlane } from '../../serving/data-plane.ts';
import type { Datatype } from '../../tensor/datatype.ts';
import type { TensorMetadata } from '../../tensor/signature.ts';
import { describeRoute } from '../openapi.ts';
import { MODEL_PATHS } from './predict.ts';

interface ModelPath {
  Params: { model: string; version?: string; label?: string };
}

export function servedModelRoutes(app: FastifyInstance, dataPlane: DataPlane, registry: Registry): void {
  app.get(
    '/v1/models',
    {
      schema: describeRoute({
        operationId: 'listServedModels',
        summary: 'Names of all models, as KServe V1 lists them',
        tag: 'dialects',
        response: 'modelList',
      }),
    },
    () => ({ models: dataPlane.models() }),
  );
  for (const [path, suffix, of] of MODEL_PATHS) {
    app.get<ModelPath>(
      path,
      {
        schema: describeRoute({
          operationId: `modelStatus${suffix}`,
          summary: suffix ? `State of ${of}` : 'State of each version of a model',
          tag: 'dialects',
          response: 'modelVersionStatus',
          errors: [404, 503],
        }),
      },
      ({ params: { model, version, label } }) => {
        const entries = registry.index().filter(({ name }) => name === model);
        const wanted = version ?? label;
        // What the index does not have is a label, or the data plane says what is wrong.
        const known = entries.filter((entry) => wanted === undefined || entry.version === wanted);
        const named = known.length > 0 ? known : [readyEntry(dataPlane.model(model, wanted))];
        return { model_version_status: named.map(describeState) };
      },
    );
    app.get<ModelPath>(
      `${path}/metadata`,
      {
        schema: describeRoute({
          operationId: `signature${suffix}`,
          summary: `Inputs and outputs of ${of}, as a signature of TensorFlow`,
          tag: 'dialects',
          response: 'signatureMetadata',
          errors: [404, 503],
        }),
      },
      ({ params: { model, version, label } }) => describeSignature(dataPlane.model(model, version ?? label)),
    );
  }
}

const STATES: Record<ModelState, string> = {
  LOADING: 'LOADING',
  READY: 'AVAILABLE',
  UNLOADING: 'UNLOADING',
  UNAVAILABLE: 'END',
};

function readyEntry({ name, version }: Model): IndexEntry {
  return { name, version, state: 'READY', reason: '' };
}

function describeState(entry: IndexEntry) {
  const { version, state, reason } = entry;
  const failed = state === 'UNAVAILABLE' && !isRetired(entry);
  return {
    version,
    state: STATES[state],
    status: failed ? { error_code: 'UNAVAILABLE', error_message: reason } : { error_code: 'OK', error_message: '' },
  };
}

function describeSignature({ name, version, signature }: Model) {
  const tensors = (all: readonly TensorMetadata[]) =>
    Object.fromEntries(all.map((tensor) => [tensor.name, describeTensor(tensor)]));
  const servingDefault = {
    inputs: tensors(signature.inputs),
    outputs: tensors(signature.outputs),
    method_name: 'tensorflow/serving/predict',
  };
  return {
    model_spec: { name, signature_name: '', version },
    metadata: { signature_def: { signature_def: { serving_default: servingDefault } } },
  };
}

const DTYPES: Partial<Record<Datatype, string>> = {
  FP16: 'DT_HALF',
  FP32: 'DT_FLOAT',
  FP64: 'DT_DOUBLE',
  BYTES: 'DT_STRING',
};

/** Sizes are texts, as in every JSON that comes from protobuf's 64-bit integers. */
function describeTensor({ name, datatype, shape }: TensorMetadata) {
  return {
    dtype: DTYPES[datatype] ?? `DT_${datatype}`,
    tensor_shape: { dim: shape.map((size) => ({ size: String(size), name: '' })), unknown_rank: false },
    name,
  };
}
