import { setTimeout as delay } from 'node:timers/promises';
import { doubling } from '../../fixtures/models.ts';
import { writeOnnx } from '../../fixtures/onnx-writer.ts';
import type { Fault } from '../fault.ts';
import type { Draw } from './draw.ts';
import { fuzz } from './fuzz.ts';
import { caseOf, damagedCase, type FuzzCase } from './http-request.ts';
import { drawRequest, knownModels } from './infer-requests.ts';
import { mutate, printTree, treeOf } from './json-tree.ts';

const ARGS = [
  ...['--model-control', 'explicit', '--load-overrides', 'files', '--server-name', 'fuzzed'],
  ...['--sage-maker', 'true', '--vertex', 'true', '--default-model', 'double'],
  // The others come and go.
  ...['--ready-models', 'double,pair,strings,every'],
];

export const fuzzRoutes: Fault = {
  name: 'fuzz-routes',
  kind: 'fuzz',
  promise:
    'every route with every method, odd names, queries, headers, encodings and bodies, models loaded and unloaded meanwhile',
  async run(trial) {
    using repository = knownModels();
    repository.add('spare.onnx', doubling());
    return await fuzz(trial, {
      launch: { models: repository.path, args: ARGS },
      cases: 50_000,
      replaceable: 1,
      prepare: async ({ url }) => {
        while (!(await fetch(`${url}/v2/health/startup`)).ok) await delay(50);
        const document = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, object> };
        const described = Object.entries(document.paths).flatMap(([path, methods]) =>
          Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
        );
        const routes = [...described.filter(({ path }) => !path.includes('/spare/')), ...HIDDEN_ROUTES];
        return (draw) => drawCase(draw, draw.of(routes));
      },
    });
  },
};

interface Route {
  readonly method: string;
  readonly path: string;
}

const SHARED = ['systemsharedmemory', 'cudasharedmemory'].flatMap((kind) => [
  { method: 'GET', path: `/v2/${kind}/status` },
  { method: 'GET', path: `/v2/${kind}/region/{region}/status` },
  { method: 'POST', path: `/v2/${kind}/region/{region}/register` },
  { method: 'POST', path: `/v2/${kind}/unregister` },
]);

/** What the API document leaves out. */
const HIDDEN_ROUTES: readonly Route[] = [
  ...SHARED,
  ...['/openapi.json', '/docs', '/docs/', '/docs/json', '/docs/static/index.html'].map((path) => ({
    method: 'GET',
    path,
  })),
  { method: 'POST', path: '/v1/models/{model}:classify' },
  { method: 'POST', path: '/v1/models/{model}/versions/{version}:regress' },
];

const METHODS = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'PURGE',
  'M-SEARCH',
];

function drawCase(draw: Draw, route: Route): FuzzCase {
  const method = draw.chance(0.9) ? route.method : draw.of(METHODS);
  const path = drawPath(draw, route.path);
  const headers = draw.chance(0.3) ? Object.fromEntries(draw.list(1 + draw.below(3), () => drawHeader(draw))) : {};
  const body = method === 'GET' && draw.chance(0.95) ? undefined : drawBody(draw, route.path);
  const parts = { method, path, headers, ...(body && { body }) };
  return draw.chance(0.1) ? damagedCase(draw, parts) : caseOf(draw, parts);
}

function drawPath(draw: Draw, template: string): string {
  const name = template.includes('/load') || template.includes('/unload') ? drawLoaded : drawName;
  const filled = template
    .replace('{model}', () => name(draw))
    .replace('{version}', () => draw.of(['1', '1', '1', '2', '0', '-1', '01', '1e0', 'latest', '9'.repeat(30), '%31']))
    .replace(/\{\w+\}/, () => draw.of(['a', 'stable', '%2e%2e', '']));
  const odd = draw.chance(0.1) ? draw.damage(Buffer.from(filled)).toString('latin1') : filled;
  // What ends a path ends it for the framing too: such bytes are for the damaged requests.
  const path = odd.replaceAll(/[^\x21-\x7e\x80-\xff]/g, '%');
  return `${path.startsWith('/') ? path : `/${path}`}${draw.chance(0.15) ? draw.of(QUERIES) : ''}`;
}

function drawName(draw: Draw): string {
  return draw.chance(0.6) ? draw.of(['double', 'pair', 'strings', 'every']) : draw.of(ODD_NAMES);
}

/** Loading starts an engine, which takes its time: few cases do. */
function drawLoaded(draw: Draw): string {
  return draw.chance(0.02) ? 'spare' : 'ghost';
}

const ODD_NAMES = [
  ...['nosuch', '__proto__', 'constructor', '%2e%2e', '%2e%2e%2fetc', '..', '.', '%00', '%0a', 'a%2fb', 'a%5cb', '%'],
  ...['%zz', '%c3%28', '%ed%a0%80', '%f0%9f%98%80', '\u00e9', 'x'.repeat(513), 'x'.repeat(512), '%25', '%20', 'a b'],
  ...[
    'double%00',
    'double/',
    'double;a=b',
    'double%3a',
    'Double',
    '<script>',
    '"',
    "'",
    '{model}',
    ':model',
    '*',
    '-1',
  ],
].map((name) => name.replaceAll(' ', '+'));

const QUERIES = [
  '?',
  '?verbose',
  '?verbose=0',
  '?a=b&a=c',
  '?__proto__[x]=1',
  '?%',
  '?x=%00',
  `?${'q'.repeat(5000)}`,
  '?#',
];

function drawHeader(draw: Draw): readonly [string, string] {
  return draw.of([
    [
      'content-encoding',
      draw.of(['gzip', 'deflate', 'br', 'gzip, gzip', 'identity', '', 'x'.repeat(300), '__proto__']),
    ],
    [
      'content-type',
      draw.of(['multipart/form-data; boundary=', 'application/json', '\u00ff', 'a/b; c="', '__proto__']),
    ],
    ['inference-header-content-length', draw.of(['0', '5', '-1', '99999999999', 'a', '1, 2', ''])],
    ['x-request-timeout-ms', draw.of(['', '0', '-1', '1.5', '1e9', 'x', '99999999999999'])],
    ['x-amzn-sagemaker-target-model', draw.of(['double', '../x', '', '__proto__', 'x.tar.gz.tar.gz'])],
    ['authorization', draw.of(['', 'Bearer', 'Bearer  x', `Basic ${'a'.repeat(2000)}`])],
    ['expect', draw.of(['100-continue', '200-ok', ''])],
    ['accept-encoding', draw.of(['gzip', '*', ';;;', 'gzip;q=NaN', 'x,'.repeat(3000)])],
    ['connection', draw.of(['close', 'keep-alive, close', 'upgrade', 'x'])],
    ['upgrade', draw.of(['h2c', 'websocket', ''])],
    ['if-modified-since', draw.of(['x', 'Thu, 01 Jan 1970 00:00:00 GMT'])],
    ['range', draw.of(['bytes=-1', 'bytes=5-2', 'x'])],
  ] as const);
}

function drawBody(draw: Draw, route: string): Buffer {
  if (draw.chance(0.1)) return Buffer.from(MULTIPART);
  let tree = treeOf(bodyFor(draw, route));
  if (draw.chance(0.8)) for (let left = draw.below(4); left > 0; left--) tree = mutate(draw, tree);
  const body = Buffer.from(printTree(tree));
  return draw.chance(0.2) ? draw.damage(body) : body;
}

const MULTIPART =
  '--a\r\ncontent-disposition: form-data; name="__proto__"; filename="../../x"\r\n\r\n{}\r\n--a--\r\n' as const;

function bodyFor(draw: Draw, route: string): unknown {
  if (route.endsWith('/load')) return { parameters: drawOverride(draw) };
  if (route.endsWith('/unload')) return { parameters: { unload_dependents: draw.chance(0.5) } };
  if (route.endsWith('/index')) return { ready: draw.chance(0.5) };
  if (route.endsWith('/logging')) return { log_verbose_level: 0, log_info: false, log_file: '', log_format: 'default' };
  if (route.includes('/trace/')) {
    return {
      trace_level: draw.of([['TIMESTAMPS'], ['OFF'], ['TENSORS']]),
      trace_rate: '1000',
      trace_count: '-1',
      log_frequency: '0',
    };
  }
  return drawRequest(draw, false).object;
}

const MODEL_FILE = Buffer.from(writeOnnx(doubling()));
const CONFIG = { max_batch_size: 8, parameters: { a: { string_value: 'b' } }, dynamic_batching: {} };

function drawOverride(draw: Draw): Record<string, string> {
  const config = printTree(mutate(draw, treeOf(CONFIG)));
  const file = draw.chance(0.1) ? draw.damage(MODEL_FILE) : Buffer.from('no model');
  return {
    ...(draw.chance(0.9) && { config }),
    ...(draw.chance(0.5) && {
      [draw.of(['file:1/model.onnx', 'file:../x', 'file:1/../../x', 'file:'])]: file.toString('base64'),
    }),
  };
}
