// Every list that could drift is generated from its one declaration; here each is compared with it.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { renderReadme } from '../../docs/readme-tables.ts';
import { openapiYaml } from '../../src/cli/print-openapi.ts';
import { ERROR_CODES } from '../../src/errors.ts';
import { STATUS_OF } from '../../src/http/error-handler.ts';
import { API_INFO } from '../../src/http/openapi.ts';
import { METRICS } from '../../src/observability/metrics.ts';

const read = (path: string) => readFileSync(path, 'utf8');
const files = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
const sources = files('src').map((path) => ({ path, text: read(path) }));

test('openapi.yaml is what the schemas say (npm run openapi)', async () => {
  expect(read('openapi.yaml')).toBe(await openapiYaml());
});

test("the README's tables are what the declarations say (npm run readme)", () => {
  expect(read('README.md')).toBe(renderReadme(read('README.md')));
});

test('the version stands once in effect', () => {
  expect(JSON.parse(read('package.json')).version).toBe(API_INFO.version);
  expect(read('CHANGELOG.md')).toContain(`## [${API_INFO.version}]`);
});

test('what the package exports is what the build makes of a source', () => {
  const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, Record<string, string>> };
  const source = (path: string) => path.replace(/^\.\/dist\/(.*?)(\.d\.ts|\.js)$/, 'src/$1.ts');
  for (const paths of Object.values(exports)) {
    const [module, ...others] = new Set(Object.values(paths).map(source));
    expect(others).toEqual([]);
    expect(sources.map(({ path }) => path)).toContain(module);
  }
});

test('npm 10, which does not read allowScripts, is not told of a script that fetches CUDA libraries', () => {
  // `npm install` writes the flag back into the lock file; take it out again.
  expect(
    JSON.parse(read('package-lock.json')).packages['node_modules/onnxruntime-node'].hasInstallScript,
  ).toBeUndefined();
  expect(JSON.parse(read('package.json')).allowScripts).toEqual({ node: true, 'onnxruntime-node': false });
});

test('every error code has a status and is thrown somewhere', () => {
  expect(Object.keys(STATUS_OF)).toEqual(Object.keys(ERROR_CODES));
  for (const code of Object.keys(ERROR_CODES)) {
    const users = sources.filter(
      ({ path, text }) => !/errors\.ts$|error-handler\.ts$/.test(path) && text.includes(`'${code}'`),
    );
    const edge =
      new RegExp(`new ServingError\\(\\s*'${code}'`).test(read('src/http/error-handler.ts')) || code === 'INTERNAL';
    expect(users.length > 0 || edge, code).toBe(true);
  }
});

test('every metric is written by somebody, and no metric is named elsewhere', () => {
  const declaring = read('src/observability/metrics.ts');
  for (const name of Object.keys(METRICS)) {
    expect(declaring.split(`'${name}'`).length - 1, name).toBeGreaterThan(0);
    for (const { path, text } of sources) if (!path.endsWith('metrics.ts')) expect(text, path).not.toContain(name);
  }
});

describe('imports', () => {
  /** What each folder (or lone file) may import of ours; `tensor` stands for all of it, `model/model` for one file. */
  const MAY_IMPORT: Record<string, readonly string[]> = {
    errors: [],
    client: [],
    tensor: ['errors'],
    config: ['errors'],
    inference: ['tensor'],
    observability: [],
    codec: ['tensor', 'inference', 'errors'],
    execution: ['tensor', 'inference', 'errors'],
    batching: ['tensor', 'inference', 'errors', 'execution/executor'],
    model: [
      'tensor',
      'inference',
      'errors',
      'config/schema',
      'batching/scheduler',
      'batching/cost-model',
      'execution/executor',
      'observability',
    ],
    'model/tuning': ['tensor', 'errors', 'config/schema', 'batching/cost-model', 'execution'],
    'model/loader': ['tensor', 'inference', 'errors', 'config/schema', 'batching', 'execution', 'observability'],
    repository: ['model/model', 'model/source', 'errors'],
    serving: ['repository/registry', 'model/model', 'inference', 'errors'],
    supervisor: ['server', 'config/schema', 'observability', 'execution/restart-policy'],
    http: [
      'serving',
      'repository/registry',
      'model/model',
      'model/source',
      'model/triton/translation',
      'codec',
      'observability',
      'errors',
      'inference',
      'tensor',
    ],
  };
  const FREE = ['server', 'cli', 'main'];

  const modules = sources.map(({ path, text }) => ({
    name: path.replace(/^src\/|\.ts$/g, ''),
    imports: [...text.matchAll(/from '(\.[^']+)'/g)].map(([, target]) =>
      join(path, '..', target!).replace(/^src\/|\.ts$/g, ''),
    ),
  }));
  const folderOf = (name: string) => name.split('/')[0]!;

  test.each(modules.filter(({ name }) => !FREE.includes(folderOf(name))))(
    '$name keeps to the table',
    ({ name, imports }) => {
      const allowed = MAY_IMPORT[name] ?? MAY_IMPORT[folderOf(name)];
      expect(allowed, `${name} is not in the table`).toBeDefined();
      for (const target of imports) {
        const fits =
          folderOf(target) === folderOf(name) || allowed!.includes(target) || allowed!.includes(folderOf(target));
        expect(fits, `${name} imports ${target}`).toBe(true);
      }
    },
  );

  test('there is no cycle', () => {
    const importsOf = new Map(modules.map(({ name, imports }) => [name, imports]));
    const done = new Set<string>();
    const visit = (name: string, path: readonly string[]): void => {
      expect(path, 'a cycle').not.toContain(name);
      if (done.has(name)) return;
      for (const target of importsOf.get(name) ?? []) visit(target, [...path, name]);
      done.add(name);
    };
    for (const { name } of modules) visit(name, []);
  });

  test('the client runs in browsers: it imports nothing of Node.js and no package', () => {
    for (const { path, text } of sources.filter(({ path }) => path.startsWith('src/client/'))) {
      expect(text, path).not.toMatch(/from '[^.]/);
    }
  });

  test('onnxruntime, the environment and the arguments have one door each', () => {
    const users = (pattern: RegExp) =>
      sources
        .filter(({ text }) => pattern.test(text))
        .map(({ path }) => path)
        .toSorted();
    expect(users(/(from|import\() ?'onnxruntime/)).toEqual(['src/execution/onnx-session.ts']);
    expect(users(/process\.argv/)).toEqual(['src/main.ts']);
    expect(users(/process\.env/)).toEqual(['src/execution/engine-process.ts', 'src/main.ts']);
  });

  test('the table in the architecture page is this one', () => {
    const page = read('docs/architecture.md').replaceAll(/ +/g, ' ');
    const cell = (names: readonly string[]) =>
      names.length === 0 ? 'nothing of ours' : names.map((name) => `\`${name}\``).join(', ');
    for (const [folder, allowed] of Object.entries(MAY_IMPORT))
      expect(page).toContain(`| \`${folder}\` | ${cell(allowed)} |`);
  });
});
