import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ServingError } from '../../src/errors.ts';
import { parseTritonJson, parseTritonText } from '../../src/model/triton/config.ts';
import { parseTextFormat, type TextMessage, type TextValue } from '../../src/model/triton/text-format.ts';
import { TextFormatError } from '../../src/model/triton/text-tokens.ts';

/** A message without its places; a field is its name, whether it is a list, and its values. */
type Plain = readonly (readonly [name: string, list: boolean, values: readonly PlainValue[]])[];
type PlainValue = { readonly kind: 'message'; readonly value: Plain } | Scalar;
type Scalar =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'identifier'; readonly value: string }
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number };

const identifier = fc.oneof(
  fc.stringMatching(/^[A-Za-z_][A-Za-z_0-9]{0,8}$/),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'true', 'inf', 'nan', 'e1', 'x', 'f'),
);
const string = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.constant('\u{1f600}\0\n"\'\\'),
);
const scalar: fc.Arbitrary<Scalar> = fc.oneof(
  string.map((value) => ({ kind: 'string' as const, value: value.toWellFormed() })),
  identifier.map((value) => ({ kind: 'identifier' as const, value })),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map((value) => ({ kind: 'integer' as const, value })),
  fc
    .double({ noNaN: true })
    .filter((value) => value !== Infinity)
    .map((value) => ({ kind: 'float' as const, value })),
);
const { message } = fc.letrec<{ message: Plain; value: PlainValue }>((tie) => ({
  message: fc.array(
    fc.oneof(
      fc.tuple(identifier, fc.constant(false), fc.tuple(tie('value'))),
      fc.tuple(identifier, fc.constant(true), fc.array(tie('value'), { maxLength: 3 })),
    ),
    { maxLength: 4, depthIdentifier: 'text' },
  ),
  value: fc.oneof(
    { depthIdentifier: 'text', maxDepth: 4 },
    scalar,
    tie('message').map((value) => ({ kind: 'message' as const, value })),
  ),
}));

/** Ways to write the same thing, picked at random. */
type Pick = (count: number) => number;
const picker = (numbers: readonly number[]): Pick => {
  let next = 0;
  return (count) => numbers[next++ % numbers.length]! % count;
};

const BLANKS = [' ', '\n', '\t ', ' # a comment: { "\n', '\r\n'];

function print(plain: Plain, pick: Pick): string {
  const blank = () => BLANKS[pick(BLANKS.length)]!;
  const fields = plain.map(([name, list, values]) => {
    const messages = values.every(({ kind }) => kind === 'message');
    const colon = messages && pick(2) ? blank() : `${blank()}:`;
    const written = values.map((value) => printValue(value, pick));
    return `${name}${colon}${blank()}${list ? `[${blank()}${written.join(`${blank()},`)}${blank()}]` : written[0]}`;
  });
  return fields.map((field) => `${blank()}${field}${blank()}${['', ',', ';'][pick(3)]}`).join('') + blank();
}

function printValue(plain: PlainValue, pick: Pick): string {
  if (plain.kind === 'message') return pick(2) ? `{${print(plain.value, pick)}}` : `<${print(plain.value, pick)}>`;
  if (plain.kind === 'string') return printString(plain.value, pick);
  if (plain.kind === 'identifier') return plain.value;
  const sign = plain.value < 0 || Object.is(plain.value, -0) ? ['-', '- '][pick(2)]! : '';
  if (plain.kind === 'float') return sign + printFloat(Math.abs(plain.value), pick);
  const magnitude = plain.value < 0n ? -plain.value : plain.value;
  const hex = magnitude.toString(16);
  const octal = magnitude === 0n ? '0' : `0${magnitude.toString(8)}`;
  return sign + [`${magnitude}`, octal, `0x${hex}`, `0X${hex.toUpperCase()}`][pick(4)]!;
}

function printFloat(value: number, pick: Pick): string {
  if (value === Infinity) return ['inf', 'Infinity'][pick(2)]!;
  return [value.toExponential(), `${value.toExponential()}f`, `${value.toExponential().toUpperCase()}F`][pick(3)]!;
}

function printString(value: string, pick: Pick): string {
  const characters = [...value];
  const cut = pick(characters.length + 1);
  const quoted = [characters.slice(0, cut), characters.slice(cut)].map((part) => {
    const quote = ['"', "'"][pick(2)]!;
    return quote + part.map((character) => printCharacter(character, pick)).join('') + quote;
  });
  return quoted.join(BLANKS[pick(BLANKS.length)]);
}

function printCharacter(character: string, pick: Pick): string {
  if (!/[\\\n\0'"]/.test(character) && pick(3)) return character;
  const bytes = [...Buffer.from(character)];
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  const printed = [
    () => `\\U${character.codePointAt(0)!.toString(16).padStart(8, '0')}`,
    () => bytes.map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join(''),
    () => bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join(''),
    () => units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join(''),
  ];
  return printed[pick(4)]!();
}

function plainOf({ fields }: TextMessage): Plain {
  return fields.map(({ name, list, values }) => [name, list, values.map(plainValue)]);
}

function plainValue(value: TextValue): PlainValue {
  return value.kind === 'message'
    ? { kind: 'message', value: plainOf(value.value) }
    : ({ kind: value.kind, value: value.value } as Scalar);
}

test('what is written is read again, however it is written', () => {
  fc.assert(
    fc.property(message, fc.array(fc.nat(), { minLength: 1, maxLength: 50 }), (plain, numbers) => {
      expect(plainOf(parseTextFormat(print(plain, picker(numbers))))).toEqual(plain);
    }),
    { numRuns: 500 },
  );
});

const nearlyText = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'input',
        '{',
        '}',
        '<',
        '>',
        '[',
        ']',
        ':',
        ',',
        ';',
        '-',
        ' ',
        '\n',
        '#',
        '"',
        "'",
        '\\',
        '\\x',
        '\\u',
      ),
      fc.constantFrom(
        'name',
        'dims',
        '1',
        '0x',
        '09',
        '1.5f',
        '1e',
        'TYPE_FP32',
        'data_type',
        '"a"',
        'max_batch_size',
        '\0',
        'é',
      ),
      fc.constantFrom(
        'parameters',
        'key',
        'value',
        'string_value',
        '__proto__',
        'reshape',
        'shape',
        'version_policy',
        'all',
      ),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(''));

test('whatever the text is, it is read or refused with its place', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), nearlyText), (text) => {
      try {
        parseTextFormat(text);
      } catch (error) {
        expect(error).toBeInstanceOf(TextFormatError);
        const { line, column } = error as TextFormatError;
        const lines = text.split('\n');
        expect(lines.length).toBeGreaterThanOrEqual(line);
        expect(lines[line - 1]!.length + 1).toBeGreaterThanOrEqual(column);
      }
    }),
    { numRuns: 2000 },
  );
});

test('whatever is given as a configuration, it is read or refused with MODEL_LOAD_FAILED', () => {
  const expectRefusal = (read: () => unknown) => {
    try {
      read();
    } catch (error) {
      expect(error).toBeInstanceOf(ServingError);
      expect((error as ServingError).code).toBe('MODEL_LOAD_FAILED');
    }
  };
  fc.assert(
    fc.property(nearlyText, (text) => expectRefusal(() => parseTritonText(text))),
    { numRuns: 2000 },
  );
  const json = fc.oneof(
    fc.json(),
    fc
      .dictionary(
        fc.constantFrom('input', 'maxBatchSize', 'parameters', 'name', 'dynamic_batching', '__proto__'),
        fc.jsonValue(),
      )
      .map((object) => JSON.stringify(object)),
    fc.string(),
  );
  fc.assert(
    fc.property(json, (text) => expectRefusal(() => parseTritonJson(text))),
    { numRuns: 1000 },
  );
});

test('messages in each other have a limit, and so has the text', () => {
  expect(() => parseTextFormat('a{'.repeat(5000))).toThrow('at most 100 messages in each other');
  expect(() => parseTextFormat('a:[<'.repeat(5000))).toThrow('at most 100 messages in each other');
  expect(() => parseTextFormat(' '.repeat(2 ** 20 + 1))).toThrow('at most 1048576 characters');
});
