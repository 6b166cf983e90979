import { expect, test } from 'vitest';
import { LogOutput } from '../../src/observability/log-output.ts';
import { createLogger, droppedLines } from '../../src/observability/logger.ts';

/** A destination that writes when the test says so. */
function gated() {
  const texts: string[] = [];
  let written: (error?: Error) => void = () => {};
  const output = new LogOutput((text, done) => {
    texts.push(text);
    written = done;
  });
  return { output, texts, finish: (error?: Error) => written(error) };
}

test('lines that come while one is written follow together, in their order', () => {
  const { output, texts, finish } = gated();
  for (const line of ['1\n', '2\n', '3\n']) output.write(line);
  expect(texts).toEqual(['1\n']);
  finish();
  expect(texts).toEqual(['1\n', '2\n3\n']);
});

test('of a destination that takes nothing, a mebibyte waits; the rest is dropped and counted', () => {
  const { output, texts, finish } = gated();
  const line = `${'x'.repeat(1023)}\n`;
  for (let i = 0; i < 2001; i++) output.write(line);
  expect(output.dropped).toBe(2000 - 1024);
  finish();
  expect(texts[1]!.length).toBe(1024 ** 2);
});

test('what fails is counted, and the next line begins on a line of its own', () => {
  const { output, texts, finish } = gated();
  output.write('1\n');
  output.write('2\n');
  output.write('3\n');
  finish(new Error('ENOSPC'));
  expect([output.dropped, texts.at(-1)]).toEqual([1, '\n2\n3\n']);
  finish(new Error('ENOSPC'));
  expect(output.dropped).toBe(3);
  output.write('4\n');
  finish();
  output.write('5\n');
  expect(texts.slice(2)).toEqual(['\n4\n', '5\n']);
});

test('a logger and its children have one count', () => {
  const { output, finish } = gated();
  const logger = createLogger('info', output);
  logger.child({ model: 'm' }).info('a line');
  finish(new Error('EPIPE'));
  expect([droppedLines(logger), droppedLines(logger.child({}))]).toEqual([1, 1]);
});
