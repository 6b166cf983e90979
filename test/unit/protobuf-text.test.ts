import { describe, expect, test } from 'vitest';
import { parseTextFormat } from '../../src/model/triton/text-format.ts';

const first = (text: string) => parseTextFormat(text).fields[0]!.values[0]!.value;

test('fields keep their order, their lists and their places', () => {
  const { fields } = parseTextFormat('# about\nname: "a"\n  dims: [ 1, -1 ];\ndims: 2\nreshape { shape: [ ] },');
  expect(fields.map(({ name, list, line, column }) => ({ name, list, line, column }))).toEqual([
    { name: 'name', list: false, line: 2, column: 1 },
    { name: 'dims', list: true, line: 3, column: 3 },
    { name: 'dims', list: false, line: 4, column: 1 },
    { name: 'reshape', list: false, line: 5, column: 1 },
  ]);
  expect(fields[1]!.values).toEqual([
    { kind: 'integer', value: 1n, line: 3, column: 11 },
    { kind: 'integer', value: -1n, line: 3, column: 14 },
  ]);
});

test.each([
  ['a: 0', 0n],
  ['a: 017', 15n],
  ['a: 0x7FfF', 32767n],
  ['a: - 9223372036854775808', -9223372036854775808n],
  ['a: 1.5f', 1.5],
  ['a: .5', 0.5],
  ['a: 1.', 1],
  ['a: 10F', 10],
  ['a: -2e-3', -0.002],
  ['a: -inf', -Infinity],
  ['a: -NaN', Number.NaN],
  ['a: inf', 'inf'],
  ['a: TYPE_FP32', 'TYPE_FP32'],
  [`a: "one" 'two'\n  # between\n "three"`, 'onetwothree'],
  ['a: "\\a\\b\\f\\n\\r\\t\\v\\?\\\\\\\'\\""', '\x07\b\f\n\r\t\v?\\\'"'],
  ['a: "\\1234\\x414\\5"', 'S4A4\x05'],
  ['a: "\\303" "\\251"', 'é'],
  ['a: "\\u00e9\\U0001F600\\ud83d\\ude00"', 'é😀😀'],
  ["a: 'it''s'", 'its'],
])('%s', (text, value) => {
  expect(first(text)).toEqual(value);
});

describe('what is wrong is said with its place', () => {
  test.each([
    ['name "a"', 1, 6, `expected ':' or '{' after 'name', got "a"`],
    ['dims: [ 1, 2, ]', 1, 15, `expected a value after '[', got ']'`],
    ['dims [ 1 ]', 1, 8, `expected '{', got '1'`],
    ['input {\n  name: "x"\n', 3, 1, `expected a field name or '}', got the end`],
    ['input < name: "x" }', 1, 19, `expected a field name or '>', got '}'`],
    ['}', 1, 1, `expected a field name or the end, got '}'`],
    ['a: 1;;', 1, 6, `expected a field name or the end, got ';'`],
    ['[com.foo.ext]: 1', 1, 1, `expected a field name or the end, got '['`],
    ['\n\nname: "a\n"', 3, 7, 'expected a closing quote before the end of the line'],
    ['name: "\\q"', 1, 8, `expected an escape, got '\\q'`],
    ['name: "\\777"', 1, 8, `expected an escaped byte up to \\377, got '\\777'`],
    ['name: "\\ud800"', 1, 8, `expected a Unicode character, got '\\ud800'`],
    ['name: "\\U00110000"', 1, 8, `expected a Unicode character, got '\\U00110000'`],
    ['name: "\\xff"', 1, 7, 'expected a string of UTF-8, got bytes that are none'],
    ['a: 08', 1, 4, `expected a number, got '08'`],
    ['a: 10b', 1, 4, `expected a number, got '10b'`],
    ['a: 1.2.3', 1, 4, `expected a number, got '1.2.'`],
    ['a: -constructor', 1, 5, `expected a number after '-', got 'constructor'`],
    ['a: é', 1, 4, `expected a name, a value or a bracket, got "é"`],
  ])('%j', (text, line, column, message) => {
    expect(() => parseTextFormat(text)).toThrow(
      expect.objectContaining({ name: 'TextFormatError', line, column, message }),
    );
  });
});

test('names that JavaScript knows are names like others', () => {
  const { fields } = parseTextFormat('__proto__ { constructor: toString }');
  expect(fields).toMatchObject([
    { name: '__proto__', values: [{ value: { fields: [{ name: 'constructor', values: [{ value: 'toString' }] }] } }] },
  ]);
});
