// The Dockerfile, what it copies, and its health check.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { buildContext, isSent } from '../../deploy/build-context.ts';
import { lastOf, parseDockerfile } from '../../deploy/dockerfile.ts';
import { environmentName } from '../../src/config/load.ts';
import { SETTING_NAMES } from '../../src/config/schema.ts';
import { serverOf } from '../fixtures/server.ts';

const dockerfile = parseDockerfile(readFileSync('Dockerfile', 'utf8'));
const named = (name: string) => dockerfile.filter((instruction) => instruction.name === name);
const copies = named('COPY').map(({ words }) => words);
const environment = Object.fromEntries(named('ENV').flatMap(({ words }) => words.map((word) => word.split('='))));

test('the server runs as a numbered user who is not root', () => {
  expect(lastOf(dockerfile, 'USER')?.text).toMatch(/^[1-9]\d*:[1-9]\d*$/);
  expect(dockerfile.indexOf(lastOf(dockerfile, 'USER')!)).toBeGreaterThan(
    dockerfile.indexOf(lastOf(dockerfile, 'RUN')!),
  );
});

test('no shell stands between the container and the server, so that SIGTERM reaches it', () => {
  expect(lastOf(dockerfile, 'ENTRYPOINT')?.text).toBe('["node", "/app/dist/main.js"]');
  expect(lastOf(dockerfile, 'CMD')?.text).toBe('["serve"]');
  expect(lastOf(dockerfile, 'HEALTHCHECK')?.text).toMatch(/ CMD \["node", "\/app\/healthcheck\.mjs"\]$/);
  expect(lastOf(dockerfile, 'STOPSIGNAL')?.text).toBe('SIGTERM');
});

test('no install fetches CUDA libraries, and the production packages run no install scripts', () => {
  const [first] = dockerfile.filter(({ name }) => name === 'FROM' || name === 'ENV').slice(1);
  expect(first?.text).toBe('ONNXRUNTIME_NODE_INSTALL=skip');
  expect(named('FROM').map(({ words }) => words[0])).toEqual(['node:26-bookworm-slim', 'base', 'base', 'base']);
  const installs = named('RUN').filter(({ text }) => text.includes('npm ci'));
  expect(installs.map(({ text }) => text)).toEqual(['npm ci', 'npm ci --omit=dev --ignore-scripts']);
});

test('the base image has the Node.js that the tests run on, and glibc', () => {
  const [major] = process.versions.node.split('.');
  expect(named('FROM')[0]?.words[0]).toBe(`node:${major}-bookworm-slim`);
});

test('the environment of the image is made of known settings, and its port is the one exposed', () => {
  const ours = Object.keys(environment).filter((name) => name.startsWith('ORTLET_'));
  expect(SETTING_NAMES.map(environmentName)).toEqual(expect.arrayContaining(ours));
  expect(environment).toMatchObject({ NODE_ENV: 'production', ORTLET_HOST: '0.0.0.0', ORTLET_MODELS: '/models' });
  expect(lastOf(dockerfile, 'EXPOSE')?.text).toBe(environment.ORTLET_PORT);
});

test('the build context holds what the Dockerfile copies and nothing else', () => {
  const context = buildContext('.');
  const sources = copies.filter(([from]) => !from?.startsWith('--from=')).flatMap((words) => words.slice(0, -1));
  const belongs = (file: string, source: string) => file === source || file.startsWith(`${source}/`);
  for (const source of sources)
    expect(context, source).toSatisfy((files) => files.some((f: string) => belongs(f, source)));
  expect(context.filter((file) => !sources.some((source) => belongs(file, source)))).toEqual([]);
  expect(context.filter((file) => /\.(py|mjs)$/.test(file))).toEqual(['deploy/healthcheck.mjs']);
});

test('.dockerignore is read as Docker reads it: hidden files too, folders whole, the last pattern wins', () => {
  const patterns = '# a comment\n*\n!models\nmodels/**/*.py\n';
  const sent = ['.env', '.git/config', 'src/main.ts', 'models/a/model.onnx', 'models/a/train.py', 'models/check.py'];
  expect(sent.filter((file) => isSent(file, patterns))).toEqual(['models/a/model.onnx']);
});

test('the health check ends with 0 for a route that answers 200, and with 1 for any other, or when nothing answers', async () => {
  const healthcheck = (port: number, ...path: string[]) => {
    const env = { ORTLET_PORT: String(port) };
    const child = spawn(process.execPath, ['deploy/healthcheck.mjs', ...path], { env, stdio: 'ignore' });
    return new Promise((resolve) => child.once('exit', resolve));
  };
  const server = await serverOf('models/simplenet');
  const port = Number(new URL(await server.app.listen({ host: '127.0.0.1', port: 0 })).port);
  expect(await healthcheck(port)).toBe(0);
  expect(await healthcheck(port, '/v2/health/ready')).toBe(0);
  expect(await healthcheck(port, '/v2/health/nonsense')).toBe(1);
  await server.stop();
  expect(await healthcheck(port)).toBe(1);
});

test.each(['deploy/prove-image.sh', 'deploy/prove-prometheus.sh'])(
  '%s parses, explains itself and refuses flags it does not know',
  (script) => {
    execFileSync('bash', ['-n', script]);
    expect(execFileSync(`./${script}`, ['--help'], { encoding: 'utf8' })).toMatch(/^Usage: deploy\/prove-/);
    expect(spawnSync(`./${script}`, ['--nonsense']).status).toBe(2);
  },
);

test('docs/deployment.md names only files that exist', () => {
  const text = readFileSync('docs/deployment.md', 'utf8');
  const files = [
    ...text.matchAll(/`((?:deploy|docs|models|test)\/[\w./-]+|Dockerfile|docker-compose\.yml|\.dockerignore)`/g),
  ].map((match) => match[1]!);
  expect(files.length).toBeGreaterThan(5);
  expect(files.filter((file) => !existsSync(file))).toEqual([]);
});
