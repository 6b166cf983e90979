// The kinds of fields that protobuf messages have, as zod schemas that read both of a message's written forms: what
// config.ts makes of the text format, and proto3 JSON.
//
//            text                                  proto3 JSON
// integer    bigint                                number, or a string of digits
// enum       Identifier, bigint                    string, number
// bool       Identifier, bigint                    true, false
// message    array of one object                   object, its keys in snake_case or camelCase
// repeated   a lone value, or an array             array
// map        array of { key, value }               object

import { z } from 'zod';

/** A bare word of the text format: an enum's value, true or false; never a string. */
export class Identifier {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

const TRUE = ['true', 'True', 't'];
const FALSE = ['false', 'False', 'f'];

export const text = scalar('a string', (value) => (typeof value === 'string' ? value : undefined));

export const bool = scalar('true or false', (value) => {
  if (typeof value === 'boolean') return value;
  const word = value instanceof Identifier ? value.name : undefined;
  if (value === 1n || TRUE.includes(word!)) return true;
  return value === 0n || FALSE.includes(word!) ? false : undefined;
});

/** @param max above 2^53 the number read is the nearest there is */
export function integer(min: number, max: number) {
  return scalar(`a whole number from ${min} to ${max}`, (value) => {
    const digits = typeof value === 'string' && /^-?[0-9]{1,20}$/.test(value);
    const number = typeof value === 'number' ? value : digits || typeof value === 'bigint' ? Number(value) : Number.NaN;
    return Number.isInteger(number) && number >= min && number <= max ? number : undefined;
  });
}

/** @param names in the order of their numbers, from 0 */
export function enumeration<const Name extends string>(names: readonly Name[]) {
  return scalar(`one of ${names.join(', ')}`, (value) => {
    if (typeof value === 'number' || typeof value === 'bigint') return names[Number(value)];
    const word = value instanceof Identifier ? value.name : value;
    return names.find((name) => name === word);
  });
}

export function message<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.preprocess(
    (value) => {
      const object = Array.isArray(value) && value.length === 1 ? value[0] : value;
      return isObject(object) ? snakeCased(object, shape) : object;
    },
    z.strictObject(shape, { error: refusal('a message') }),
  );
}

export function repeated<Item extends z.ZodType>(item: Item) {
  const listed = (value: unknown) => (Array.isArray(value) ? value : [value]);
  return z.preprocess(listed, z.array(item)).default([]);
}

/** A map from strings; of a key that is there twice the last one counts. */
export function mapOf<Value extends z.ZodType>(value: Value) {
  const entries = (written: unknown) =>
    isObject(written) ? Object.entries(written).map(([key, value]) => ({ key, value })) : written;
  const entry = message({ key: text.default(''), value });
  return z
    .preprocess(entries, z.array(entry, { error: refusal('a map') }))
    .default([])
    .transform((list) => {
      const read = list as { key: string; value: z.output<Value> }[];
      return new Map(read.map(({ key, value }) => [key, value]));
    });
}

/** A field whose value is not looked into; true when there is one. */
export const presence = z
  .unknown()
  .transform((value) => !(typeof value === 'object' && Object.keys(value!).length === 0))
  .default(false);

function scalar<Value>(expected: string, read: (value: unknown) => Value | undefined) {
  return z.unknown().transform((value, context): Value => {
    const result = read(value);
    if (result !== undefined) return result;
    context.addIssue({ code: 'custom', message: `expected ${expected}, got ${show(value)}` });
    return z.NEVER;
  });
}

/** zod asks for a message also where a key is unknown: that one is worded where the issues are read. */
function refusal(expected: string) {
  return ({ code, input }: { code: string; input?: unknown }) =>
    code === 'invalid_type' ? `expected ${expected}, got ${show(input)}` : undefined;
}

function show(value: unknown): string {
  if (Array.isArray(value) && value.length !== 1) return value.length === 0 ? 'an empty list' : 'several values';
  if (Array.isArray(value)) return isObject(value[0]) ? 'a message' : 'a list';
  if (isObject(value)) return 'a message';
  if (value instanceof Identifier) return `the word ${value.name}`;
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Identifier);
}

/** Names as the schema has them; what is null was not set. Unknown names stay as they are, to be refused. */
function snakeCased(object: Record<string, unknown>, shape: object): Record<string, unknown> {
  const result: Record<string, unknown> = Object.create(null);
  for (const [key, value] of Object.entries(object)) {
    const snake = key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (value !== null) result[Object.hasOwn(shape, snake) && !Object.hasOwn(object, snake) ? snake : key] = value;
  }
  return result;
}
