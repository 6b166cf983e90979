// Small JSON bodies of the control routes, checked against their schema; an empty body counts as `{}`.

import type { z } from 'zod';
import { ServingError } from '../errors.ts';

/** @throws ServingError INVALID_REQUEST that names the member and what was expected */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const text = Buffer.isBuffer(body) ? body.toString('utf8').trim() : '';
  const result = schema.safeParse(text === '' ? {} : parseJson(text));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') || 'body';
  throw new ServingError(
    'INVALID_REQUEST',
    `Invalid value for '${where}': ${issue?.message.replace(/^Invalid input: /, '')}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ServingError('INVALID_REQUEST', 'failed to parse the request JSON buffer: send a JSON object or nothing');
  }
}
