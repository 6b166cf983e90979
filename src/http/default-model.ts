// The platforms whose containers serve one model: their routes name none.

import type { DecodingThread } from '../codec/decoding-thread.ts';
import { ServingError } from '../errors.ts';
import type { DataPlane } from '../serving/data-plane.ts';
import type { InferenceExchange } from './inference-exchange.ts';

/** What the routes of such a platform need. */
export interface PlatformParts {
  readonly exchange: InferenceExchange;
  readonly dataPlane: DataPlane;
  readonly thread: DecodingThread;
  /** The setting `defaultModel`. */
  readonly configured: string | undefined;
}

/**
 * The model that the operator named, else the only one there is.
 * @param otherwise what the caller can do where there are several, for the message
 * @throws ServingError INVALID_REQUEST, or MODEL_NOT_READY where there is none
 */
export function defaultModel({ dataPlane, configured }: PlatformParts, otherwise = ''): string {
  if (configured !== undefined) return configured;
  const names = dataPlane.models();
  const [only, ...others] = names;
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined) throw new ServingError('MODEL_NOT_READY', 'There is no model yet.', { retryAfterMs: 1000 });
  throw new ServingError(
    'INVALID_REQUEST',
    `this route does not say which of the models is meant (${names.join(', ')}): ` +
      `${otherwise}have the operator set 'defaultModel'`,
  );
}
