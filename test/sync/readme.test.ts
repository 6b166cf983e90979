// The README's curl lines and its client are run against a server, and its answers are the server's.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectOf } from '../fixtures/compiler.ts';
import { serverOf } from '../fixtures/server.ts';

/** A console block: `$ curl …` lines, each followed by the answer. */
const examples = [
  ...readFileSync('README.md', 'utf8').matchAll(/^\$ (curl .*(?:\n {2}.*)*)\n([^$`][^`]*?)(?=\n\$ |\n```)/gm),
].map(([, command, answer]) => ({ command: command!.replaceAll(/\s*\\\n\s*/g, ' '), answer: answer!.trim() }));
let server: Awaited<ReturnType<typeof serverOf>>;

beforeAll(async () => {
  server = await serverOf('models', { sageMaker: true, vertex: true, defaultModel: 'iris' });
});
afterAll(() => server[Symbol.asyncDispose]());

test('there is an example for each shipped model', () => {
  for (const model of server.registry.names()) {
    expect(
      examples.some(({ command }) => command.includes(`/v2/models/${model}/infer`)),
      model,
    ).toBe(true);
  }
});

test.each(examples)('$command', async ({ command, answer }) => {
  const url = /localhost:8080(\S+)/.exec(command)![1]!;
  const data = /-d (?:@(\S+)|'([^']*)')/.exec(command);
  const payload = data && (data[1] ? readFileSync(data[1], 'utf8') : data[2]!);
  const headers = Object.fromEntries(
    [...command.matchAll(/-H '([^:]*): ([^']*)'/g)].map(([, name, value]) => [name, value]),
  );
  const response = await server.app.inject({
    method: data ? 'POST' : 'GET',
    url,
    headers,
    ...(payload ? { payload } : {}),
  });
  expectAnswer(response.body, answer);
});

test('the client compiles with the types of the shipped models and prints what it says', async () => {
  const [, code] = /```ts\n(import [^`]*)```/.exec(readFileSync('README.md', 'utf8'))!;
  const url = await server.app.listen({ port: 0 });
  using project = projectOf({
    'models.ts': readFileSync('test/fixtures/shipped-models.ts', 'utf8'),
    'example.ts': code!.replace('http://localhost:8080', url),
  });
  expect(await project.compile()).toBe('');
  expect(await project.run('example.ts')).toBe(`${/console\.log.* \/\/ (.*)/.exec(code!)![1]}\n`);
});

/** Long answers are cut with … in the README; the last digits of floats may differ from one processor to another. */
function expectAnswer(actual: string, shown: string): void {
  const whole = !shown.endsWith('…');
  const [expected, got] = [shown.replace(/…$/, ''), actual].map((text) =>
    text.split(/(-?\d+\.\d+(?:e-?\d+)?|\d+e-?\d+)/),
  );
  if (whole) expect(got).toHaveLength(expected!.length);
  for (const [i, piece] of expected!.entries()) {
    if (i % 2 === 1) expect(Number(got![i])).toBeCloseTo(Number(piece), 4);
    else if (whole || i < expected!.length - 1) expect(got![i]).toBe(piece);
    else expect(got![i]!.slice(0, piece.length)).toBe(piece);
  }
}
