import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CHAPTERS, FAULTS } from '../faults/catalogue.ts';
import { document, readDocument } from '../faults/document.ts';
import { readResults } from '../faults/results.ts';

const rows = CHAPTERS.flatMap(({ rows }) => rows);

test('the page on reliability is what the results say', () => {
  expect(readDocument()).toBe(document(readResults()));
});

test('no number of a chapter is left out', () => {
  const last = { A: 12, B: 12, C: 11, D: 12, E: 19, F: 6 } as const;
  for (const [letter, count] of Object.entries(last)) {
    const { rows: own } = CHAPTERS.find((chapter) => chapter.letter === letter)!;
    expect(own.map(({ id }) => id)).toEqual(Array.from({ length: count }, (_, i) => `${letter}${i + 1}`));
  }
});

test('every row has a number of its own and is shown by something, or says why not', () => {
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  for (const { id, faults = [], tests = [], absent } of rows) {
    expect(faults.length + tests.length + (absent ? 1 : 0), id).toBeGreaterThan(0);
  }
});

test('every fault has a name of its own', () => {
  expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length);
});

test.each(rows.flatMap(({ tests = [] }) => tests))('there is a test %s', (reference) => {
  const [file = '', sentence = ''] = reference.split(/: (.*)/);
  const path = new URL(`../../${file}`, import.meta.url);
  expect(existsSync(path)).toBe(true);
  expect(readFileSync(path, 'utf8')).toContain(sentence);
});
