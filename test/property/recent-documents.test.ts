// A document that is recognised is read as one that is not.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecentDocuments } from '../../src/codec/recent-documents.ts';

/** Counts how often documents are checked: those that are recognised are not. */
function setUp() {
  const counted = { checks: 0 };
  const documents = new RecentDocuments(
    (path) => path.at(-1) === 'data',
    (value) => {
      counted.checks++;
      if ((value as { refused?: boolean })?.refused) throw new Error('refused');
      return { value };
    },
    ({ value }) => (value as { id?: unknown })?.id === undefined,
  );
  const read = (bytes: Buffer) => {
    try {
      return documents.read(bytes);
    } catch (error) {
      return (error as Error).message;
    }
  };
  return { counted, read };
}

const space = fc.constantFrom('', '', '', ' ', '\n\t');
const frame = fc.tuple(
  fc.constantFrom(['{"data":', '}'], ['{"a":[{"data":', '},{"data":', '}]}'], ['{"refused":true,"data":', '}'], ['{}']),
  fc.constantFrom('', ',"b":"é"', ',"id":1', ',"data":2', ',"b":{}}', ',', '}'),
);
const element = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.stringify(value)),
  fc.constantFrom('', '[1', '1]', '"a', '1,2', '[[1],[2]]', 'NaN', '[1,]', '{"data":3}', '1 ', '\xff', '"\xff"'),
);
const document = fc
  .tuple(frame, fc.array(fc.tuple(space, element), { minLength: 2, maxLength: 2 }))
  .map(([[pieces, more], elements]) => {
    const [last, ...others] = pieces.toReversed();
    const front = others.toReversed().map((piece, i) => piece + elements[i]!.join(''));
    const end = more === '' ? last! : `${last!.slice(0, -1)}${more}${last!.slice(-1)}`;
    return Buffer.from(front.join('') + end, 'latin1');
  });

test('whatever came before, a document is read as if it were the first', () => {
  const { counted, read } = setUp();
  let fresh = 0;
  fc.assert(
    fc.property(document, (bytes) => {
      const first = setUp();
      expect(read(bytes)).toEqual(first.read(bytes));
      fresh += first.counted.checks;
    }),
    { numRuns: 20_000, seed: 2026 },
  );
  // Those that differ in their elements alone have been recognised.
  expect(counted.checks).toBeLessThan(fresh * 0.9);
});

test('what is the same but for its elements is parsed and checked once', () => {
  const { counted, read } = setUp();
  const document = (data: string) => Buffer.from(`{"name":"x","data":${data}}`);
  read(document('[1,2]'));
  expect(read(document('[3,4,5]'))).toMatchObject({ ranges: [{ start: 19, end: 26 }] });
  expect(counted.checks).toBe(1);
  read(Buffer.from('{"name":"y","data":[1,2]}'));
  expect(counted.checks).toBe(2);
});

test('what will not come again is not remembered, nor what is long, nor more than a few', () => {
  const { counted, read } = setUp();
  const often = (text: string) => {
    counted.checks = 0;
    for (let i = 0; i < 3; i++) read(Buffer.from(text));
    return counted.checks;
  };
  expect(often('{"id":7,"data":1}')).toBe(3);
  expect(often(`{"name":"${'x'.repeat(5000)}","data":1}`)).toBe(3);
  expect(often('{"name":"first","data":1}')).toBe(1);
  for (let i = 0; i < 8; i++) read(Buffer.from(`{"name":${i},"data":1}`));
  expect(often('{"name":"first","data":1}')).toBe(1);
});
