// The tokens of protobuf's text format, each with its place. What a name or a number means is the parser's to say.

/** The text is not in protobuf's text format; the message says what was expected and what came. Lines and columns count from 1. */
export class TextFormatError extends Error {
  readonly line: number;
  readonly column: number;

  constructor({ line, column }: Place, message: string) {
    super(message);
    this.name = 'TextFormatError';
    this.line = line;
    this.column = column;
  }
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** `text` is the token as it was written; `bytes` is what a string literal stands for. */
export type Token = Place & { readonly text: string } & (
    | { readonly kind: 'identifier' | 'symbol' | 'end' }
    | { readonly kind: 'integer'; readonly value: bigint }
    | { readonly kind: 'float'; readonly value: number }
    | { readonly kind: 'string'; readonly bytes: Uint8Array }
  );

const BLANKS = /[ \t\n\v\f\r]+|#[^\n]*/y;
const IDENTIFIER = /[A-Za-z_][A-Za-z_0-9]*/y;
const NUMBER = /0[xX][0-9a-fA-F]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][+-]?[0-9]+)?[fF]?/y;
const INTEGER = /^(?:0|[1-9][0-9]*|0[xX].+)$/;
const OCTAL = /^0[0-7]+$/;
const FLOAT = /^(?:\.|0[.eEfF]|[1-9])/;
const AFTER_NUMBER = /[A-Za-z_0-9.]/;
const SYMBOLS = '{}<>[]:,;-';
const PLAIN = { '"': /[^"\\\n\0]+/y, "'": /[^'\\\n\0]+/y };
const ESCAPE = /\\(?:([abfnrtv?\\'"])|([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y;
const LOW_SURROGATE = /\\u([dD][c-fC-F][0-9a-fA-F]{2})/y;
const CONTROLS: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** A reader of one token after the other; past the last one it gives `end`. @throws TextFormatError */
export function tokenReader(text: string): () => Token {
  let offset = 0;
  let line = 1;
  let lineStart = 0;

  const place = (): Place => ({ line, column: offset - lineStart + 1 });
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = offset;
    const match = pattern.exec(text);
    if (match) offset += match[0].length;
    return match;
  };

  function skipBlanks(): void {
    let blanks = take(BLANKS);
    while (blanks) {
      for (let i = blanks[0].indexOf('\n'); i >= 0; i = blanks[0].indexOf('\n', i + 1)) {
        line++;
        lineStart = blanks.index + i + 1;
      }
      blanks = take(BLANKS);
    }
  }

  function readNumber(start: Place, literal: string): Token {
    const next = text[offset];
    if (next !== undefined && AFTER_NUMBER.test(next)) {
      throw new TextFormatError(start, `expected a number, got '${literal}${next}'`);
    }
    if (OCTAL.test(literal))
      return { kind: 'integer', text: literal, value: BigInt(`0o${literal.slice(1)}`), ...start };
    if (INTEGER.test(literal)) return { kind: 'integer', text: literal, value: BigInt(literal), ...start };
    if (!FLOAT.test(literal)) throw new TextFormatError(start, `expected a number, got '${literal}'`);
    return { kind: 'float', text: literal, value: Number(literal.replace(/[fF]$/, '')), ...start };
  }

  function readString(start: Place, quote: '"' | "'"): Token {
    const from = offset++;
    const parts: Uint8Array[] = [];
    for (;;) {
      const plain = take(PLAIN[quote]);
      if (plain) parts.push(Buffer.from(plain[0]));
      if (text[offset] === quote) break;
      if (text[offset] !== '\\')
        throw new TextFormatError(start, 'expected a closing quote before the end of the line');
      parts.push(readEscape());
    }
    offset++;
    return { kind: 'string', text: text.slice(from, offset), bytes: Buffer.concat(parts), ...start };
  }

  function readEscape(): Uint8Array {
    const start = place();
    const match = take(ESCAPE);
    if (!match) throw new TextFormatError(start, `expected an escape, got '${text.slice(offset, offset + 2).trim()}'`);
    const [written, control, octal, hex, short, long] = match;
    if (control) return Buffer.from(CONTROLS[control] ?? control);
    const byte = octal ? Number.parseInt(octal, 8) : hex ? Number.parseInt(hex, 16) : undefined;
    if (byte !== undefined) {
      if (byte > 0xff) throw new TextFormatError(start, `expected an escaped byte up to \\377, got '${written}'`);
      return Uint8Array.of(byte);
    }
    let code = Number.parseInt((short ?? long)!, 16);
    const low = code >= 0xd800 && code < 0xdc00 ? take(LOW_SURROGATE) : null;
    if (low) code = 0x10000 + (code - 0xd800) * 0x400 + (Number.parseInt(low[1]!, 16) - 0xdc00);
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      throw new TextFormatError(start, `expected a Unicode character, got '${written}'`);
    }
    return Buffer.from(String.fromCodePoint(code));
  }

  return () => {
    skipBlanks();
    const start = place();
    const next = text[offset];
    if (next === undefined) return { kind: 'end', text: '', ...start };
    if (next === '"' || next === "'") return readString(start, next);
    const identifier = take(IDENTIFIER);
    if (identifier) return { kind: 'identifier', text: identifier[0], ...start };
    const number = take(NUMBER);
    if (number) return readNumber(start, number[0]);
    if (!SYMBOLS.includes(next)) {
      const character = String.fromCodePoint(text.codePointAt(offset)!);
      throw new TextFormatError(start, `expected a name, a value or a bracket, got ${JSON.stringify(character)}`);
    }
    offset++;
    return { kind: 'symbol', text: next, ...start };
  };
}
