// Every regular expression of the server takes time in proportion to its text: none can be made to go back over it again
// and again (ReDoS). Each is tried on texts made of the characters it has in it, which end in one that it has not.

import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { expect, test } from 'vitest';

const LENGTH = 20_000;
/** One in proportion takes well under 1 ms for such a text; one that goes over it for each of its characters 200 ms and more. */
const LIMIT_MS = 100;

const SOURCE = new URL('../../src/', import.meta.url).pathname;
/** A regular expression stands where a value begins. */
const LITERAL =
  /(?<=[(,=:[!&|?;{}\n]\s*|return\s+)\/(?![*/])((?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^\\/[\n])+)\/([dgimsuvy]*)/g;

const patterns: (readonly [file: string, pattern: RegExp])[] = [];
for await (const file of glob('**/*.ts', { cwd: SOURCE })) {
  const code = readFileSync(SOURCE + file, 'utf8')
    .replaceAll(/^\s*(?:\/\/|\/?\*).*$/gm, '')
    .replaceAll(/\s\/\/ .*$/gm, '');
  for (const [, source, flags] of code.matchAll(LITERAL)) patterns.push([file, new RegExp(source!, flags)]);
}

test('the patterns of all folders are found', () => {
  const folders = new Set(patterns.map(([file]) => file.split('/')[0]));
  expect([...folders]).toEqual(
    expect.arrayContaining(['cli', 'client', 'codec', 'config', 'http', 'model', 'repository']),
  );
  expect(patterns.length).toBeGreaterThan(45);
});

test.each(patterns)('%s: %s', { timeout: 60_000 }, (_file, pattern) => {
  for (const text of attacksOn(pattern)) {
    const slow = () => cpuMs(() => text.replace(pattern, '')) > LIMIT_MS;
    // What else happens in the process may take its time once.
    if (slow() && slow() && slow()) expect.unreachable(`slow on ${JSON.stringify(text.slice(0, 40))}…`);
  }
});

function* attacksOn({ source }: RegExp): Generator<string> {
  const own = source.replaceAll(/\\[dws]/g, 'a0 ').replaceAll(/[\\^$()[\]{}|?*+]/g, '');
  const characters = [...new Set(`${own}a0 "\\/,`)].slice(0, 24);
  for (const first of characters) {
    for (const second of characters) {
      const pumped = (first === second ? first : first + second).repeat(LENGTH / (first === second ? 1 : 2));
      yield `${pumped}\u0001`;
      yield `"${pumped}!`;
    }
  }
}

/** Of this process, so that what others do does not count. */
function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
