// Who is let in: keys, scopes, rates; what a page of another origin gets.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../load/server-process.ts';
import type { Scope } from '../../src/http/access.ts';
import { TokenBucket } from '../../src/http/token-bucket.ts';
import { doubling, repositoryOf } from '../fixtures/models.ts';
import { launch } from '../fixtures/process.ts';
import { serverOf, x } from '../fixtures/server.ts';

const sha256 = (key: string) => createHash('sha256').update(key).digest('hex');
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const PAYLOAD = JSON.stringify({ inputs: [x('FP32', [1, 2], [1, 2])] });

const repository = repositoryOf({ 'm.onnx': doubling() });
const lines: string[] = [];
let server: Awaited<ReturnType<typeof serverOf>>;

beforeAll(async () => {
  const apiKeys = [
    ...(['infer', 'admin', 'metrics'] as const).map((scope) => ({
      name: `${scope}-key`,
      sha256: sha256(`secret-${scope}`),
      scopes: [scope],
    })),
    { name: 'all', sha256: sha256('secret-all'), scopes: ['infer', 'admin', 'metrics'] },
    { name: 'slow', sha256: sha256('secret-slow'), scopes: ['infer'], requestsPerSecond: 0.001 },
  ];
  server = await serverOf(repository.path, { apiKeys, modelControl: 'explicit', sageMaker: true, vertex: true }, lines);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

const call = async (method: 'GET' | 'POST', url: string, headers: Record<string, string> = {}, payload = '') => {
  const response = await server.app.inject({ method, url, headers, payload });
  return { status: response.statusCode, headers: response.headers, text: response.body };
};

describe('with keys', () => {
  test.each(['/v2/health/live', '/v2/health/ready', '/v2/health/startup', '/ping', '/health'])(
    '%s is open without one',
    async (url) => {
      expect((await call('GET', url)).status).toBe(200);
    },
  );

  test('every other route of the API document needs one, and one with the right scope', async () => {
    const { text } = await call('GET', '/openapi.json', bearer('secret-infer'));
    const { paths, security } = JSON.parse(text) as {
      paths: Record<string, Record<string, { security?: unknown[]; responses: object }>>;
      security: object[];
    };
    expect(security).toEqual([{ apiKey: [] }]);
    const needed = new Map<Scope | 'none', number>();
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        const url = path.replaceAll(/\{\w+\}/g, 'nosuch');
        const status = async (headers = {}) => (await call(method === 'get' ? 'GET' : 'POST', url, headers)).status;
        if (operation.security?.length === 0) {
          needed.set('none', (needed.get('none') ?? 0) + 1);
          expect(await status(), url).toBe(200);
          continue;
        }
        expect([await status(), await status(bearer('guessed'))], url).toEqual([401, 401]);
        expect(Object.keys(operation.responses), url).toEqual(expect.arrayContaining(['401', '403', '429']));
        const scopes = ['infer', 'admin', 'metrics'] as const;
        const statuses = await Promise.all(scopes.map((scope) => status(bearer(`secret-${scope}`))));
        const admitted = scopes.filter((_, i) => statuses[i] !== 403);
        expect(admitted.length, url).toBe(1);
        needed.set(admitted[0]!, (needed.get(admitted[0]!) ?? 0) + 1);
      }
    }
    expect(Object.fromEntries(needed)).toMatchObject({ none: 5, admin: 5, metrics: 7 });
  });

  test('what changes the server is for the scope admin', async () => {
    for (const url of ['/v2/repository/models/m/load', '/v2/logging', '/v2/trace/setting']) {
      const refused = await call('POST', url, bearer('secret-infer'), '{}');
      expect(refused.status, url).toBe(403);
      expect(JSON.parse(refused.text).error).toBe("This route needs the scope 'admin'; the key 'infer-key' has infer.");
      expect((await call('POST', url, bearer('secret-admin'), '{}')).status, url).toBe(200);
    }
  });

  test.each([
    ['no header', {}],
    ['another scheme', { authorization: `Basic ${Buffer.from('a:secret-all').toString('base64')}` }],
    ['an empty key', { authorization: 'Bearer ' }],
    ['two keys', { authorization: 'Bearer secret-all secret-all' }],
    ['a wrong key', bearer('secret-al')],
    ['the hash of a key', bearer(sha256('secret-all'))],
    ['a key in another header', { 'x-api-key': 'secret-all' }],
  ])('%s is 401 with what is wanted, and the key in no log line', async (_, headers) => {
    const answer = await call('POST', '/v2/models/m/infer', headers as Record<string, string>, PAYLOAD);
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    expect(JSON.parse(answer.text).error).toMatch(/Authorization: Bearer|not known here/);
    expect(lines.join('')).not.toContain('secret-');
  });

  test('the scheme is read in any case', async () => {
    const answer = await call('POST', '/v2/models/m/infer', { authorization: 'bearer secret-all' }, PAYLOAD);
    expect(answer.status).toBe(200);
  });

  test('a key without a rate is not limited; one with a rate is 429 with Retry-After, and delays nobody else', async () => {
    const infer = (key: string) => call('POST', '/v2/models/m/infer', bearer(key), PAYLOAD);
    expect((await infer('secret-slow')).status).toBe(200);
    const limited = await infer('secret-slow');
    expect([limited.status, Number(limited.headers['retry-after']) > 500]).toEqual([429, true]);
    const others = await Promise.all(Array.from({ length: 50 }, () => infer('secret-infer')));
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set([200]));
  });
});

test('without keys nothing is asked for', async () => {
  await using open = await serverOf(repository.path);
  expect((await open.app.inject('/v2/models')).statusCode).toBe(200);
  expect((await open.app.inject('/openapi.json')).json()).toMatchObject({ security: [] });
});

test('no page of another origin is let in: there are no CORS headers, for a preflight neither', async () => {
  await using open = await serverOf(repository.path);
  const origin = 'https://elsewhere.example';
  const headers = {
    origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization',
  };
  for (const [method, url, status] of [
    ['GET', '/v2/models', 200],
    ['POST', '/v2/models/m/infer', 400],
    ['OPTIONS', '/v2/models/m/infer', 405],
    ['OPTIONS', '/metrics', 405],
  ] as const) {
    const answer = await open.app.inject({ method, url, headers, ...(method === 'POST' && { payload: '{}' }) });
    expect([answer.statusCode, Object.keys(answer.headers).filter((name) => name.includes('access-control'))]).toEqual([
      status,
      [],
    ]);
  }
});

describe('with adminPort', () => {
  const admin = ['/v2/repository/models/m/load', '/v2/repository/models/m/unload', '/v2/logging', '/v2/trace/setting'];

  test('the admin routes answer there alone, and everything else on both', async () => {
    const adminPort = await freePort();
    await using open = await serverOf(repository.path, { modelControl: 'explicit', port: 0, adminPort });
    const main = await open.start();
    const own = `http://127.0.0.1:${adminPort}`;
    const status = async (url: string, body?: string) =>
      (await fetch(url, body === undefined ? {} : { method: 'POST', body })).status;
    for (const path of admin) {
      expect([path, await status(main + path, '{}'), await status(own + path, '{}')]).toEqual([path, 404, 200]);
    }
    expect(await status(`${own}/v2/repository/models/m/load`, '{}')).toBe(200);
    for (const address of [main, own]) {
      for (const path of ['/v2/health/ready', '/metrics', '/docs/', '/v2/logging']) {
        expect(await status(address + path)).toBe(200);
      }
      expect(await status(`${address}/v2/models/m/infer`, PAYLOAD)).toBe(200);
    }
    const document = (await open.app.inject('/openapi.json')).json();
    const { servers, responses } = document.paths['/v2/repository/models/{model}/load'].post;
    expect(servers).toEqual([{ url: own, description: 'The admin listener' }]);
    expect(Object.keys(responses)).toContain('404');
    expect(document.paths['/v2/logging'].get.servers).toBeUndefined();
  });

  test('its limits are those of the other listener', async () => {
    const adminPort = await freePort();
    await using open = await serverOf(repository.path, { modelControl: 'explicit', port: 0, adminPort });
    await open.start();
    const long = await fetch(`http://127.0.0.1:${adminPort}/v2/models`, { headers: { x: 'x'.repeat(17_000) } });
    expect(long.status).toBe(431);
  });

  test('keys are asked for there too', async () => {
    const adminPort = await freePort();
    const apiKeys = [{ name: 'a', sha256: sha256('secret-a'), scopes: ['infer'] }];
    await using open = await serverOf(repository.path, { modelControl: 'explicit', port: 0, adminPort, apiKeys });
    await open.start();
    const load = (headers = {}) =>
      fetch(`http://127.0.0.1:${adminPort}/v2/repository/models/m/load`, { method: 'POST', headers });
    expect([(await load()).status, (await load(bearer('secret-a'))).status]).toEqual([401, 403]);
  });

  test('an address that others reach is warned of', async () => {
    const admin = ['--model-control', 'explicit', '--admin-port', String(await freePort()), '--admin-host', '0.0.0.0'];
    using process = launch(['serve', repository.path, '--port', '0', ...admin]);
    await process.logged('ready');
    expect(process.lines.some(({ msg }) => msg.startsWith('NO API KEYS: '))).toBe(true);
    expect(process.lines.some(({ msg }) => msg === 'admin routes')).toBe(true);
  });

  test('a port in use, and a port without routes, is one clear line and exit 1', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const args = ['serve', repository.path, '--port', '0', '--admin-port', String(port)];
    using busy = launch([...args, '--model-control', 'explicit']);
    expect(await busy.exited).toBe(1);
    expect(busy.errors()).toMatch(/^ortlet: .*EADDRINUSE.*\n$/);
    using senseless = launch(args);
    expect(await senseless.exited).toBe(1);
    expect(senseless.errors()).toBe(
      "ortlet: adminPort needs modelControl 'explicit': with 'none' no route answers there alone\n",
    );
    taken.close();
  });
});

describe('a token bucket', () => {
  test('lets a second’s worth through at once, then as many as come in', () => {
    const bucket = new TokenBucket(4, 0);
    expect(Array.from({ length: 5 }, () => bucket.take(0))).toEqual([0, 0, 0, 0, 250]);
    expect([bucket.take(125), bucket.take(250), bucket.take(250)]).toEqual([125, 0, 250]);
    expect(Array.from({ length: 6 }, () => bucket.take(1e9) === 0).filter(Boolean).length).toBe(4);
  });

  test('of less than one a second takes several seconds for one', () => {
    const bucket = new TokenBucket(0.5, 0);
    expect([bucket.take(0), bucket.take(0), bucket.take(1000), bucket.take(2000)]).toEqual([0, 2000, 1000, 0]);
  });
});

describe('the start', () => {
  test.each([
    [['--host', '0.0.0.0'], true],
    [['--host', '0.0.0.0', '--api-keys', `a:${sha256('a')}:infer`], false],
    [['--host', '127.0.0.1'], false],
    [['--host', 'localhost'], false],
  ])('%j warns of an open address: %s', async (args, warned) => {
    using process = launch(['serve', repository.path, '--port', '0', ...args]);
    await process.logged('ready');
    expect(process.lines.some(({ msg }) => msg.startsWith('NO API KEYS'))).toBe(warned);
  });
});
