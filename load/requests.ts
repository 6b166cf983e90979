// The requests that all servers get: one row each, several bodies in turn, JSON or JSON followed by raw floats.

import type { LoadModel } from './models.ts';
import { seededRandom } from './random.ts';
import type { BodyForm } from './scenarios.ts';

export interface Requests {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bodies: readonly Buffer[];
}

const BODIES = 8;

export function requestsFor(model: LoadModel, form: BodyForm): Requests {
  const random = seededRandom(model.columns);
  const rows = Array.from({ length: BODIES }, () => Array.from({ length: model.columns }, () => sixDecimals(random())));
  const path = `/v2/models/${model.name}/infer`;
  const tensor = { name: model.input, shape: [1, model.columns], datatype: 'FP32' };
  if (form === 'json') {
    const bodies = rows.map((data) => Buffer.from(JSON.stringify({ inputs: [{ ...tensor, data }] })));
    return { path, headers: { 'content-type': 'application/json' }, bodies };
  }
  const parameters = { binary_data_size: model.columns * Float32Array.BYTES_PER_ELEMENT };
  const header = Buffer.from(
    JSON.stringify({ parameters: { binary_data_output: true }, inputs: [{ ...tensor, parameters }] }),
  );
  return {
    path,
    headers: {
      'content-type': 'application/octet-stream',
      'inference-header-content-length': String(header.length),
    },
    bodies: rows.map((data) => Buffer.concat([header, Buffer.from(Float32Array.from(data).buffer)])),
  };
}

function sixDecimals(fraction: number): number {
  return Math.round((fraction * 2 - 1) * 1e6) / 1e6;
}
