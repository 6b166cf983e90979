// The inference API without a transport: what the HTTP routes call, and what any other front could.

import type { InferenceContext, InferenceRequest, InferenceResponse } from '../inference.ts';
import type { Model } from '../model/model.ts';
import type { IndexEntry, Registry } from '../repository/registry.ts';
import type { Admission } from './admission.ts';

export class DataPlane {
  #registry: Registry;
  #admission: Admission;

  constructor(registry: Registry, admission: Admission) {
    this.#registry = registry;
    this.#admission = admission;
  }

  /**
   * Answers one request.
   * @param model from `model()`, with the version that the request means
   * @param bytes size of the request as it came, counted against the server's bound
   * @throws ServingError of any code but those of the routes
   */
  async infer(
    model: Model,
    request: InferenceRequest,
    context: InferenceContext,
    bytes: number,
  ): Promise<InferenceResponse> {
    this.#admission.admit(bytes);
    try {
      return await model.infer(request, context);
    } finally {
      this.#admission.leave(bytes);
    }
  }

  /**
   * @param version a version's number as text; undefined: the highest that is ready
   * @throws ServingError MODEL_NOT_FOUND or MODEL_NOT_READY
   */
  model(name: string, version?: string): Model {
    return this.#registry.resolve(name, version);
  }

  /** Every model that is ready, each version of it. */
  readyModels(): Model[] {
    return this.#registry.readyModels();
  }

  models(): string[] {
    return this.#registry.names();
  }

  readyVersions(name: string): string[] {
    return this.#registry.readyVersions(name);
  }

  /** One entry a version, with its state and reason. */
  index(): IndexEntry[] {
    return this.#registry.index();
  }

  /** Whether every model that was there at the start has been tried. */
  get started(): boolean {
    return this.#registry.started;
  }

  get draining(): boolean {
    return this.#admission.draining;
  }

  /** Why the server should get no traffic for now, or undefined. */
  get unready(): string | undefined {
    return this.draining ? 'it is shutting down.' : this.#registry.unready;
  }
}
