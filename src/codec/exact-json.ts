// JSON as model servers speak it: the bare tokens NaN, Infinity and -Infinity, and integers beyond 2^53, which
// JSON.parse refuses or rounds. They are rewritten to strings that start with NUL, which no BYTES element may hold.

import { ServingError } from '../errors.ts';

/** First character of a string that stands for a number. */
export const EXACT_MARK = '\u0000';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const WORDS = ['NaN', 'Infinity', '-Infinity'];
const LONG_INTEGER = /-?[0-9]{16,}(?![0-9.eE])/y;

/**
 * Parses a request's text.
 * @throws ServingError INVALID_REQUEST with the position of the first mistake
 */
export function parseExactJson(text: string): unknown {
  // Only 64-bit integers can lose digits, so only requests that mention them pay for the rewriting.
  const prepared = text.includes('INT64') && /[0-9]{16}/.test(text) ? markNumbers(text) : text;
  try {
    return JSON.parse(prepared);
  } catch (error) {
    if (prepared === text && /NaN|Infinity/.test(text)) {
      try {
        return JSON.parse(markNumbers(text));
      } catch {
        // The first error speaks of the text as it came.
      }
    }
    throw new ServingError('INVALID_REQUEST', `failed to parse the request JSON buffer: ${describe(error, text)}`);
  }
}

function markNumbers(text: string): string {
  const pieces: string[] = [];
  let copied = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = endOfString(text, i);
      continue;
    }
    const token = tokenAt(text, i, code);
    if (!token) continue;
    pieces.push(text.slice(copied, i), `"\\u0000${token}"`);
    i += token.length - 1;
    copied = i + 1;
  }
  pieces.push(text.slice(copied));
  return pieces.join('');
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i;
}

function tokenAt(text: string, i: number, code: number): string | undefined {
  const digit = code >= 0x30 && code <= 0x39;
  if (!digit && code !== MINUS && code !== 0x4e && code !== 0x49) return undefined;
  const word = digit ? undefined : WORDS.find((candidate) => text.startsWith(candidate, i));
  if (word || (!digit && code !== MINUS)) return word;
  // Inside a number already: its first digits were looked at.
  const before = text.charCodeAt(i - 1);
  if (i > 0 && ((before >= 0x30 && before <= 0x39) || before === 0x2e || before === MINUS)) return undefined;
  LONG_INTEGER.lastIndex = i;
  return LONG_INTEGER.exec(text)?.[0];
}

function describe(error: unknown, text: string): string {
  const message = (error as Error).message;
  const position = /position (\d+)/.exec(message)?.[1];
  if (text.trim() === '') return 'the body is empty. Send a JSON object with an "inputs" array.';
  const what = message.replace(/,? (in JSON )?(at position .*|\.\.\..*|".*)$/s, '');
  return position ? `${what} at ${position}` : what;
}
