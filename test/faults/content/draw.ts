// Choices at random, each a function of a seed and the number of the case.

import { seededRandom } from '../../../load/random.ts';

export class Draw {
  readonly #random: () => number;

  constructor(seed: number, index: number) {
    this.#random = seededRandom(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  }

  /** A whole number from 0 up to but not including `end`. */
  below(end: number): number {
    return Math.floor(this.#random() * end);
  }

  chance(share: number): boolean {
    return this.#random() < share;
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  /** Each item with this chance, in their order. */
  some<Item>(items: readonly Item[], share = 0.5): Item[] {
    return items.filter(() => this.chance(share));
  }

  list<Item>(length: number, item: () => Item): Item[] {
    return Array.from({ length }, item);
  }

  /** Bytes with one to four of them changed, cut, left out, doubled or put in. */
  damage(bytes: Uint8Array): Buffer {
    let damaged = Buffer.from(bytes);
    for (let left = 1 + this.below(4); left > 0; left--) {
      const at = this.below(damaged.length + 1);
      const length = this.of([1, 1, 1, 2, 4, 8, 64]);
      const [before, behind] = [damaged.subarray(0, at), damaged.subarray(at)];
      const put = (piece: Uint8Array, over: number) => Buffer.concat([before, piece, behind.subarray(over)]);
      damaged = this.of([
        () => put(Buffer.of(this.below(256)), 1),
        () => put(Buffer.from(this.of(PIECES)), this.of([0, 1])),
        () => put(Buffer.alloc(0), length),
        () => put(Buffer.concat([behind.subarray(0, length), behind.subarray(0, length)]), length),
        () => (this.chance(0.3) ? Buffer.from(before) : put(Buffer.of(1 << this.below(8)), 1)),
      ])();
    }
    return damaged;
  }
}

/** What parsers stumble over. */
const PIECES: readonly (string | Uint8Array)[] = [
  ...['"', '\\', '{', '}', '[', ']', ',', ':', '\0', '\r\n', '\n', '-', '.', 'e', 'NaN', 'null', '\\u0000', '\\ud800'],
  ...['\u2028', '\ufeff', '/*', '//', '%00', '..', '0', '9'.repeat(40), '1e999', '[['.repeat(60)],
  ...[
    [0xff, 0xff, 0xff, 0xff],
    [0, 0, 0, 0x80],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
  ].map((bytes) => Uint8Array.from(bytes)),
];
