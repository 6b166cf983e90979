// A reader of protobuf's text format: https://protobuf.dev/reference/protobuf/textformat-spec/
//
// It knows no schema. It gives the fields in the order in which they were written, each with its values and its place;
// which field may repeat and which identifier is an enum's is for the caller to say. Extensions are not read.

import { type Place, TextFormatError, type Token, tokenReader } from './text-tokens.ts';

export interface TextMessage {
  readonly fields: readonly TextField[];
}

/** One mention of a field. `list`: its values were written as `[a, b]`; otherwise there is one. */
export interface TextField extends Place {
  readonly name: string;
  readonly values: readonly TextValue[];
  readonly list: boolean;
}

export type TextValue = Place &
  (
    | { readonly kind: 'message'; readonly value: TextMessage }
    | { readonly kind: 'string' | 'identifier'; readonly value: string }
    | { readonly kind: 'integer'; readonly value: bigint }
    | { readonly kind: 'float'; readonly value: number }
  );

const MOST_CHARACTERS = 1 << 20;
const MOST_DEPTH = 100;
const CLOSING: Record<string, string> = { '{': '}', '<': '>' };
const NEGATIVE = new Map([
  ['inf', -Infinity],
  ['infinity', -Infinity],
  ['nan', Number.NaN],
]);

/** @throws TextFormatError, and nothing else, whatever the text is */
export function parseTextFormat(text: string): TextMessage {
  if (text.length > MOST_CHARACTERS) {
    throw new TextFormatError(
      { line: 1, column: 1 },
      `expected at most ${MOST_CHARACTERS} characters, got ${text.length}`,
    );
  }
  return new Parser(text).message('the end', 0);
}

class Parser {
  readonly #read: () => Token;
  #next: Token;

  constructor(text: string) {
    this.#read = tokenReader(text);
    this.#next = this.#read();
  }

  /** Fields up to the closing token, which is taken too. */
  message(closing: string, depth: number): TextMessage {
    if (depth > MOST_DEPTH)
      throw new TextFormatError(this.#next, `expected at most ${MOST_DEPTH} messages in each other`);
    const fields: TextField[] = [];
    while (this.#next.kind === 'identifier') fields.push(this.#field(depth));
    if (closing === 'the end' ? this.#next.kind !== 'end' : !this.#sees(closing)) {
      throw this.#expected(`a field name or ${closing === 'the end' ? closing : `'${closing}'`}`);
    }
    this.#take();
    return { fields };
  }

  #field(depth: number): TextField {
    const { text: name, line, column } = this.#take();
    const colon = this.#accept(':');
    const list = this.#accept('[');
    const values = list ? this.#list(depth, colon) : [this.#value(depth, colon, `'${name}'`)];
    if (!this.#accept(',')) this.#accept(';');
    return { name, values, list, line, column };
  }

  #list(depth: number, scalars: boolean): TextValue[] {
    const values: TextValue[] = [];
    if (this.#accept(']')) return values;
    do values.push(this.#value(depth, scalars, "'['"));
    while (this.#accept(','));
    if (!this.#accept(']')) throw this.#expected("',' or ']'");
    return values;
  }

  /** @param scalars whether there was a colon: only messages go without */
  #value(depth: number, scalars: boolean, after: string): TextValue {
    const closing = CLOSING[this.#next.text];
    if (this.#next.kind === 'symbol' && closing) {
      const { line, column } = this.#take();
      return { kind: 'message', value: this.message(closing, depth + 1), line, column };
    }
    if (!scalars) throw this.#expected(after === "'['" ? "'{'" : `':' or '{' after ${after}`);
    return this.#scalar(after);
  }

  #scalar(after: string): TextValue {
    const { line, column } = this.#next;
    const place = { line, column };
    const negative = this.#accept('-');
    const token = this.#next;
    if (token.kind === 'string' && !negative) return { kind: 'string', value: this.#strings(), ...place };
    if (token.kind === 'identifier' && !negative) {
      return { kind: 'identifier', value: this.#take().text, ...place };
    }
    const special = token.kind === 'identifier' ? NEGATIVE.get(token.text.toLowerCase()) : undefined;
    if (special !== undefined) {
      this.#take();
      return { kind: 'float', value: special, ...place };
    }
    if (token.kind !== 'integer' && token.kind !== 'float')
      throw this.#expected(negative ? "a number after '-'" : `a value after ${after}`);
    this.#take();
    if (token.kind === 'integer') return { kind: 'integer', value: negative ? -token.value : token.value, ...place };
    return { kind: 'float', value: negative ? -token.value : token.value, ...place };
  }

  /** Literals that follow each other are one string. */
  #strings(): string {
    const start = this.#next;
    const parts: Uint8Array[] = [];
    while (this.#next.kind === 'string') {
      parts.push(this.#next.bytes);
      this.#take();
    }
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
    } catch {
      throw new TextFormatError(start, 'expected a string of UTF-8, got bytes that are none');
    }
  }

  #sees(symbol: string): boolean {
    return this.#next.kind === 'symbol' && this.#next.text === symbol;
  }

  #accept(symbol: string): boolean {
    const seen = this.#sees(symbol);
    if (seen) this.#take();
    return seen;
  }

  #take(): Token {
    const token = this.#next;
    if (token.kind !== 'end') this.#next = this.#read();
    return token;
  }

  #expected(what: string): TextFormatError {
    const { kind, text } = this.#next;
    const got = kind === 'end' ? 'the end' : kind === 'string' ? text : `'${text}'`;
    return new TextFormatError(this.#next, `expected ${what}, got ${got.length > 60 ? `${got.slice(0, 60)}…` : got}`);
  }
}
