// Clients send the same document again and again with other elements. What is left of it when they are lifted out is parsed
// and checked once, then recognised by its bytes: for a small request that was half of decoding.
//
//   {"inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":   [1.5,NaN]   }]}
//   └──────────────────────── piece ───────────────────────────┘   element(s)  └ piece

import { isUtf8 } from 'node:buffer';
import { endOfValue, isAt, type JsonRange, liftJson } from './lifted-json.ts';

export interface ReadDocument<Value> {
  /** What `check` made of it: shared with documents that are the same, not to be changed. */
  readonly value: Value;
  readonly ranges: readonly JsonRange[];
}

interface KnownDocument<Value> {
  /** In order, with a range between each two. */
  readonly pieces: readonly Buffer[];
  readonly value: Value;
}

/** So many are known, the latest first; longer ones, which gain little, are not. */
const MOST_KNOWN = 8;
const LONGEST_KNOWN_BYTES = 4096;

export class RecentDocuments<Value> {
  readonly #isLifted: (path: readonly string[]) => boolean;
  readonly #check: (value: unknown) => Value;
  readonly #comesAgain: (value: Value) => boolean;
  readonly #known: KnownDocument<Value>[] = [];

  /**
   * @param isLifted as in `liftJson`
   * @param check throws what is wrong with a document; it cannot look at lifted values
   * @param comesAgain whether a document may come again: one that has an id will not
   */
  constructor(
    isLifted: (path: readonly string[]) => boolean,
    check: (value: unknown) => Value,
    comesAgain: (value: Value) => boolean,
  ) {
    this.#isLifted = isLifted;
    this.#check = check;
    this.#comesAgain = comesAgain;
  }

  /** @throws ServingError INVALID_REQUEST, or what `check` throws */
  read(bytes: Buffer): ReadDocument<Value> {
    for (const { pieces, value } of this.#known) {
      const ranges = rangesBetween(bytes, pieces);
      if (ranges && isUtf8(bytes)) return { value, ranges };
    }
    const { value: parsed, ranges } = liftJson(bytes, this.#isLifted);
    const value = this.#check(parsed);
    if (this.#comesAgain(value)) this.#remember({ pieces: piecesBetween(bytes, ranges), value });
    return { value, ranges };
  }

  #remember(document: KnownDocument<Value>): void {
    if (document.pieces.reduce((sum, { length }) => sum + length, 0) > LONGEST_KNOWN_BYTES) return;
    if (this.#known.unshift(document) > MOST_KNOWN) this.#known.pop();
  }
}

/** Where the lifted values are, if all around them is the same. */
function rangesBetween(bytes: Buffer, pieces: readonly Buffer[]): JsonRange[] | undefined {
  const ranges: JsonRange[] = [];
  let at = 0;
  for (let i = 0; ; i++) {
    const piece = pieces[i]!;
    if (!isAt(bytes, at, piece)) return undefined;
    const start = at + piece.length;
    if (i === pieces.length - 1) return start === bytes.length ? ranges : undefined;
    at = endOfValue(bytes, start);
    // No value, or white space before one.
    if (at === start) return undefined;
    ranges.push({ start, end: at });
  }
}

/** Copies, because a body's memory is its own. */
function piecesBetween(bytes: Buffer, ranges: readonly JsonRange[]): Buffer[] {
  const starts = [0, ...ranges.map(({ end }) => end)];
  const ends = [...ranges.map(({ start }) => start), bytes.length];
  return starts.map((start, i) => Buffer.from(bytes.subarray(start, ends[i])));
}
