// Walks the items of an array and the members of an object in their bytes; what keys and values are is for others to read.

import { JsonFault } from './element-cursor.ts';
import { endOfString, skipSpace } from './lifted-json.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const CLOSE_ARRAY = 0x5d;
const CLOSE_OBJECT = 0x7d;

/**
 * @param start of the array
 * @param item takes the value that begins at a place; returns the place behind it
 * @returns the place behind the array
 * @throws JsonFault
 */
export function walkItems(bytes: Buffer, start: number, item: (at: number) => number): number {
  let at = skipSpace(bytes, start + 1);
  if (bytes[at] === CLOSE_ARRAY) return at + 1;
  for (;;) {
    const behind = item(at);
    if (behind === at) throw new JsonFault('a value is missing', at);
    at = skipSpace(bytes, behind);
    if (bytes[at] === CLOSE_ARRAY) return at + 1;
    at = passComma(bytes, at);
  }
}

/** @param key, keyEnd where the key is, with its quotes @param at where its value begins @returns the place behind that */
export type MemberVisitor = (key: number, keyEnd: number, at: number) => number;

/**
 * @param start of the object
 * @returns the place behind the object
 * @throws JsonFault
 */
export function walkMembers(bytes: Buffer, start: number, member: MemberVisitor): number {
  let at = skipSpace(bytes, start + 1);
  if (bytes[at] === CLOSE_OBJECT) return at + 1;
  for (;;) {
    if (bytes[at] !== QUOTE) throw new JsonFault('a key is missing', at);
    const keyEnd = endOfString(bytes, at);
    const colon = skipSpace(bytes, keyEnd);
    if (bytes[colon] !== COLON) throw new JsonFault('a colon is missing', colon);
    const value = skipSpace(bytes, colon + 1);
    const behind = member(at, keyEnd, value);
    if (behind === value) throw new JsonFault('a value is missing', value);
    at = skipSpace(bytes, behind);
    if (bytes[at] === CLOSE_OBJECT) return at + 1;
    at = passComma(bytes, at);
  }
}

function passComma(bytes: Buffer, at: number): number {
  if (bytes[at] !== COMMA) throw new JsonFault('a comma or a bracket is missing', at);
  return skipSpace(bytes, at + 1);
}
