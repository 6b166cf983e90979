// Bytes in JSON as TensorFlow Serving writes them: {"b64": "aGVsbG8="}.

import { isUtf8 } from 'node:buffer';
import { endOfString, skipSpace } from './lifted-json.ts';

const KEY = Buffer.from('"b64"');
const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** @returns the place of the encoded text's opening quote; -1 when anything else than such an object begins there */
export function findBase64(bytes: Buffer, start: number): number {
  if (bytes[start] !== OPEN_OBJECT) return -1;
  const key = skipSpace(bytes, start + 1);
  for (let i = 0; i < KEY.length; i++) if (bytes[key + i] !== KEY[i]) return -1;
  const colon = skipSpace(bytes, key + KEY.length);
  const quote = skipSpace(bytes, colon + 1);
  if (bytes[colon] !== COLON || bytes[quote] !== QUOTE) return -1;
  const close = skipSpace(bytes, endOfString(bytes, quote));
  return bytes[close] === CLOSE_OBJECT ? quote : -1;
}

/** Most texts are short: a buffer for each would take many times its bytes. */
const scratch = Buffer.allocUnsafeSlow(4096);

/** The text that is encoded; undefined for what is no base64, or encodes something else than UTF-8. */
export function decodeBase64(encoded: string): string | undefined {
  if (encoded === '') return '';
  // Some writers of JSON escape every slash.
  const digits = encoded.includes('\\') ? encoded.replaceAll('\\/', '/') : encoded;
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(digits)) return undefined;
  const room = digits.length <= scratch.length ? scratch : Buffer.allocUnsafe(digits.length);
  const length = room.write(digits, 'base64');
  const text = room.toString('utf8', 0, length);
  return text.includes('\ufffd') && !isUtf8(room.subarray(0, length)) ? undefined : text;
}

export function printBase64(text: string): string {
  return `{"b64":"${Buffer.from(text, 'utf8').toString('base64')}"}`;
}
