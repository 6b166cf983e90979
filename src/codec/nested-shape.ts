// The shape of a tensor that is told by nothing but its nesting: [[1,2],[3,4],[5,6]] is [3,2].

import { JsonFault } from './element-cursor.ts';
import { DEEPEST_NESTING, endOfValue, type JsonRange, skipSpace } from './lifted-json.ts';

/** Arrays that should be alike are not. */
export class RaggedFault extends Error {}

const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/**
 * @param range of one JSON value; without brackets it is a scalar, whose shape is empty
 * @throws RaggedFault, JsonFault
 */
export function nestedShape(bytes: Buffer, { start, end }: JsonRange): number[] {
  const shape: number[] = [];
  /** Of each open array but the innermost, how many elements came before the one that is open. */
  const outer: number[] = [];
  /** Elements of the innermost array so far; -1 outside of all. */
  let count = -1;
  let depth = 0;
  let deepest = 0;
  let hasElements = false;
  let valueBefore = false;
  for (let at = skipSpace(bytes, start); at < end; at = skipSpace(bytes, at)) {
    const byte = bytes[at];
    if (valueBefore && byte === COMMA) {
      valueBefore = false;
      at++;
    } else if (byte === CLOSE_ARRAY && (valueBefore || count === 0)) {
      depth--;
      shape[depth] ??= count;
      if (count !== shape[depth]) throw uneven(outer, count, shape[depth]!);
      count = outer.pop()! + 1;
      valueBefore = true;
      at++;
    } else if (valueBefore) {
      throw new JsonFault('a comma or a bracket is missing', at);
    } else if (byte === OPEN_ARRAY) {
      if (depth === DEEPEST_NESTING) {
        throw new JsonFault(`JSON nesting depth exceeds maximum allowed limit (${DEEPEST_NESTING})`, at);
      }
      if (hasElements && depth >= deepest) throw mixed([...outer, count], 'an array', 'a value');
      outer.push(count);
      count = 0;
      depth++;
      if (depth > deepest) deepest = depth;
      at++;
    } else {
      if (depth < deepest) throw mixed([...outer, count], 'a value', 'an array');
      const behind = endOfValue(bytes, at);
      if (behind === at) throw new JsonFault('an element is missing', at);
      count++;
      hasElements = true;
      valueBefore = true;
      at = behind;
    }
  }
  if (depth > 0) throw new JsonFault('the array is not closed', end);
  return shape;
}

function uneven(outer: readonly number[], got: number, expected: number): RaggedFault {
  return new RaggedFault(`${print(outer)} has ${got} elements where ${print(outer, 0)} has ${expected}`);
}

function mixed(index: readonly number[], got: string, expected: string): RaggedFault {
  return new RaggedFault(`${print(index)} is ${got} where ${print(index, 0)} is ${expected}`);
}

/** @param outer begins with what is outside of all arrays @param instead of each index: the first of the same depth */
function print([, ...index]: readonly number[], instead?: number): string {
  return index.map((i) => `[${instead ?? i}]`).join('');
}
