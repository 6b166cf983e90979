// Values that stand in different places of a body, put together as one JSON array for one cursor to read.
//
//   {"instances":[{"a":1,"b":[2]},{"a":3,"b":[4]}]}      a: [1,3]      b: [[2],[4]]

import type { JsonRange } from './lifted-json.ts';

export interface JoinedValues {
  readonly bytes: Buffer;
  readonly range: JsonRange;
  /** Where in the body a place in `bytes` comes from; for messages. */
  readonly origin: (at: number) => number;
}

const OPEN_ARRAY = 0x5b;
const COMMA = 0x2c;
const CLOSE_ARRAY = 0x5d;

/** @param places where each value begins and ends, in turn; at least one */
export function joinValues(body: Buffer, places: ArrayLike<number>): JoinedValues {
  let length = 1;
  for (let i = 0; i < places.length; i += 2) length += places[i + 1]! - places[i]! + 1;
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (let i = 0; i < places.length; i += 2) {
    bytes[at++] = i === 0 ? OPEN_ARRAY : COMMA;
    at = copy(body, places[i]!, places[i + 1]!, bytes, at);
  }
  bytes[at] = CLOSE_ARRAY;
  return { bytes, range: { start: 0, end: length }, origin: (place) => originOf(place, places) };
}

/** Below so many bytes, a call of the platform costs more than the bytes themselves. */
const WORTH_A_CALL = 64;

function copy(from: Buffer, start: number, end: number, to: Buffer, at: number): number {
  if (end - start >= WORTH_A_CALL) return at + from.copy(to, at, start, end);
  let place = at;
  for (let i = start; i < end; i++) to[place++] = from[i]!;
  return place;
}

function originOf(place: number, places: ArrayLike<number>): number {
  let rest = place - 1;
  for (let i = 0; i < places.length; i += 2) {
    const [start, end] = [places[i]!, places[i + 1]!];
    if (rest <= end - start) return start + Math.max(rest, 0);
    rest -= end - start + 1;
  }
  return places[places.length - 1]!;
}
