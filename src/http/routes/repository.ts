// The model repository extension: what there is, loading and unloading.

import type { FastifyInstance } from 'fastify';
import { modelLoadRequest, modelUnloadRequest, repositoryIndexRequest } from '../../codec/schema.ts';
import { ServingError } from '../../errors.ts';
import type { ModelOverride } from '../../model/source.ts';
import type { Registry } from '../../repository/registry.ts';
import { controlDisabled } from '../error-handler.ts';
import { describeRoute } from '../openapi.ts';
import { parseBody } from '../parse-body.ts';

interface ModelPath {
  Params: { model: string };
}

export interface ModelControl {
  /** Whether clients may load and unload models. */
  readonly allowed: boolean;
  /** What a load request may bring. */
  readonly overrides: 'off' | 'config' | 'files';
  /** Of a load request that may bring something. */
  readonly maxBodyBytes: number;
}

export function repositoryRoutes(app: FastifyInstance, registry: Registry, control: ModelControl): void {
  app.post(
    '/v2/repository/index',
    {
      schema: describeRoute({
        operationId: 'repositoryIndex',
        summary: 'Every version with its state and the reason for it',
        tag: 'repository',
        body: 'repositoryIndexRequest',
        response: 'repositoryIndex',
        errors: [400],
      }),
    },
    ({ body }) => {
      const { ready } = parseBody(repositoryIndexRequest, body);
      return registry.index().filter(({ state }) => !ready || state === 'READY');
    },
  );
  app.post<ModelPath>(
    '/v2/repository/models/:model/load',
    {
      schema: describeRoute({
        operationId: 'loadModel',
        summary: 'Load a model, or load it again',
        tag: 'repository',
        body: 'modelLoadRequest',
        errors: [400, 403, 404, 422],
      }),
      config: { scope: 'admin' },
      ...(control.overrides !== 'off' && { bodyLimit: control.maxBodyBytes }),
    },
    async ({ params, body }, reply) => {
      if (!control.allowed) throw controlDisabled('explicit model load / unload');
      const { parameters = {} } = parseBody(modelLoadRequest, body);
      await registry.load(params.model, readOverride(params.model, parameters, control.overrides));
      return reply.send();
    },
  );
  app.post<ModelPath>(
    '/v2/repository/models/:model/unload',
    {
      schema: describeRoute({
        operationId: 'unloadModel',
        summary: 'Unload a model after its running requests',
        tag: 'repository',
        body: 'modelUnloadRequest',
        errors: [400, 403],
      }),
      config: { scope: 'admin' },
    },
    async ({ params, body }, reply) => {
      if (!control.allowed) throw controlDisabled('explicit model load / unload');
      parseBody(modelUnloadRequest, body);
      await registry.unload(params.model);
      return reply.send();
    },
  );
}

const FILE_PREFIX = 'file:';
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** @throws ServingError MODEL_LOAD_FAILED for parameters that make no sense, MODEL_CONTROL_DISABLED when the setting does not allow it */
function readOverride(
  model: string,
  parameters: Readonly<Record<string, string>>,
  allowed: ModelControl['overrides'],
): ModelOverride | undefined {
  const { config, ...files } = parameters;
  const paths = Object.keys(files);
  if (config === undefined && paths.length === 0) return undefined;
  const refuse = (what: string) => new ServingError('MODEL_LOAD_FAILED', `failed to load '${model}', ${what}`);
  const unknown = paths.find((path) => !path.startsWith(FILE_PREFIX));
  if (unknown !== undefined) {
    throw refuse(`unexpected parameter '${unknown}': use 'config' and 'file:<version>/<name>'`);
  }
  if (config === undefined) throw refuse("files need a 'config' parameter beside them");
  const broken = paths.find((path) => !BASE64.test(files[path]!));
  if (broken !== undefined) throw refuse(`parameter '${broken}' must be the file in base64`);
  const needed = paths.length > 0 ? 'files' : 'config';
  if (allowed !== 'files' && allowed !== needed) {
    throw new ServingError(
      'MODEL_CONTROL_DISABLED',
      `a load request may not bring ${paths.length > 0 ? 'files' : 'a configuration'} here: the server runs with loadOverrides '${allowed}'.`,
    );
  }
  return {
    config,
    files: new Map(
      paths.map((path) => [path.slice(FILE_PREFIX.length), new Uint8Array(Buffer.from(files[path]!, 'base64'))]),
    ),
  };
}
