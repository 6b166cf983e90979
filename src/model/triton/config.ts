// Reads Triton's model configuration: config.pbtxt, and the JSON that a client may send with a load request.

import type { z } from 'zod';
import { ServingError } from '../../errors.ts';
import { Identifier } from './fields.ts';
import { type TritonConfig, tritonSchema } from './schema.ts';
import { parseTextFormat, type TextField, type TextMessage, type TextValue } from './text-format.ts';
import { TextFormatError } from './text-tokens.ts';

/** @throws ServingError MODEL_LOAD_FAILED with the line, and the field that is unknown or has a wrong value */
export function parseTritonText(content: string): TritonConfig {
  const written = readText(content);
  const result = tritonSchema.safeParse(toObject(written));
  if (result.success) return result.data;
  const { path, what } = describeIssue(result.error);
  const place = locate(written, path);
  throw wrong('config.pbtxt', place ? `line ${place.line}: ${what}` : what);
}

/** @throws ServingError MODEL_LOAD_FAILED with the field that is unknown or has a wrong value */
export function parseTritonJson(content: string): TritonConfig {
  let written: unknown;
  try {
    written = JSON.parse(content);
  } catch (error) {
    throw wrong('configuration', 'it is not valid JSON', error);
  }
  const result = tritonSchema.safeParse(written);
  if (result.success) return result.data;
  throw wrong('configuration', describeIssue(result.error).what);
}

function readText(content: string): TextMessage {
  try {
    return parseTextFormat(content);
  } catch (error) {
    if (!(error instanceof TextFormatError)) throw error;
    throw wrong('config.pbtxt', `line ${error.line}, column ${error.column}: ${error.message}`, error);
  }
}

function wrong(file: string, what: string, cause?: unknown): ServingError {
  return new ServingError('MODEL_LOAD_FAILED', `its ${file} is wrong: ${what}`, { cause });
}

/** A message's fields by name, in the form that fields.ts reads. */
function toObject({ fields }: TextMessage): Record<string, unknown> {
  const object: Record<string, unknown> = Object.create(null);
  for (const [name, mentions] of Map.groupBy(fields, (field) => field.name)) {
    const values = mentions.flatMap((field) => field.values.map(toPlain));
    const lone = mentions.length === 1 && !mentions[0]!.list && mentions[0]!.values[0]?.kind !== 'message';
    object[name] = lone ? values[0] : values;
  }
  return object;
}

function toPlain(value: TextValue): unknown {
  if (value.kind === 'message') return toObject(value.value);
  return value.kind === 'identifier' ? new Identifier(value.value) : value.value;
}

function describeIssue({ issues }: z.ZodError): { path: PropertyKey[]; what: string } {
  const issue = issues[0]!;
  if (issue.code !== 'unrecognized_keys') return { path: issue.path, what: `${show(issue.path)}: ${issue.message}` };
  const path = [...issue.path, issue.keys[0]!];
  return { path, what: `Triton's model configuration has no field ${show(path)}` };
}

function show(path: readonly PropertyKey[]): string {
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return text ? `'${text.replace(/^\./, '')}'` : 'the configuration';
}

/** Where the value stands that a path leads to, or the last step there that can be found. */
function locate(message: TextMessage, path: readonly PropertyKey[]): TextField | TextValue | undefined {
  let place: TextField | TextValue | undefined;
  let within: TextMessage | undefined = message;
  let values: readonly TextValue[] = [];
  for (const step of path) {
    if (typeof step === 'number') {
      place = values[step] ?? place;
    } else {
      const named: TextField[] = within?.fields.filter(({ name }) => name === step) ?? [];
      values = named.flatMap((field) => field.values);
      place = named.at(-1) ?? place;
    }
    const value = typeof step === 'number' ? values[step] : values.at(-1);
    within = value?.kind === 'message' ? value.value : undefined;
  }
  return place;
}
