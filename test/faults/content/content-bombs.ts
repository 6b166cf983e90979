import { type Fault, Tally, type Trial } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { knownModels } from './infer-requests.ts';

interface Bomb {
  readonly about: string;
  readonly path: string;
  readonly body: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
}

const SHORT_BODY_BYTES = 8 * 1024 ** 2;
const FULL_BODY_BYTES = 64 * 1024 ** 2;

export const contentBombs: Fault = {
  name: 'content-bombs',
  kind: 'fuzz',
  promise:
    'nesting up to a million deep, a hundred thousand inputs, outputs, parameters and keys, tensors far larger than their text: each is refused, and the next request answered',
  async run(trial) {
    using repository = knownModels();
    const bodyBytes = trial.length === 'short' ? SHORT_BODY_BYTES : FULL_BODY_BYTES;
    const args = ['--log-level', 'warn', '--max-body-bytes', String(bodyBytes), '--model-control', 'explicit'];
    await using server = await ServerUnderTest.start({
      models: repository.path,
      args: [...args, '--load-overrides', 'files'],
    });
    const { engines } = server;
    const tally = new Tally();
    let [slowest, slowestMs] = ['', 0];
    const bombs = bombsFor(trial, bodyBytes);
    for (const [i, { about, path, body, headers = {}, status }] of bombs.entries()) {
      const sentAt = performance.now();
      const got = await fetch(server.url + path, { method: 'POST', body, headers }).then(
        async (response) => `${response.status} ${(await response.text()).slice(0, 200)}`,
        (error: Error) => error.message,
      );
      const ms = performance.now() - sentAt;
      if (ms > slowestMs) [slowest, slowestMs] = [about, ms];
      const next = await fetch(`${server.url}/v2/health/live`).then(
        ({ ok }) => ok,
        () => false,
      );
      const wrong = !got.startsWith(String(status)) || !next;
      tally.count(wrong ? `${about}: ${got} instead of ${status}${next ? '' : ', and then nothing'}` : undefined);
      trial.progress(i + 1, bombs.length);
    }
    const alive = engines.every((pid) => server.engines.includes(pid));
    tally.count(alive ? undefined : 'an engine has died');
    return tally.outcome(`slowest answer ${slowestMs.toFixed(0)} ms: ${slowest}`, { slowestMs });
  },
};

function bombsFor({ length }: Trial, bodyBytes: number): readonly Bomb[] {
  const depths = length === 'short' ? [1e2, 1e5] : [1e2, 1e3, 1e4, 1e5, 1e6];
  return [...depths.flatMap(depthBombs), ...countBombs(), expansionBomb(bodyBytes)];
}

/** `#` is where the nesting goes. */
const DEEP_PLACES: readonly (readonly [path: string, body: string, status: number])[] = [
  ['/v2/models/double/infer', '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":#}]}', 400],
  ['/v2/models/double/infer', '{"inputs":[{"name":"x","datatype":"FP32","shape":#,"data":[]}]}', 400],
  ['/v2/models/double/infer', '{"parameters":{"a":#},"inputs":[]}', 400],
  ['/v2/models/double/infer', '#', 400],
  ['/v1/models/double:predict', '{"instances":#}', 400],
  ['/v1/models/pair:predict', '{"inputs":{"a":#,"b":[1]}}', 400],
  ['/v2/models/strings/generate', '{"text_input":#}', 400],
  ['/v2/models/strings/generate', '{"text_input":"a","b":#}', 400],
  ['/v2/trace/setting', '{"trace_level":#}', 400],
  ['/v2/repository/index', '{"ready":#}', 400],
  ['/v2/repository/models/double/load', '{"parameters":#}', 400],
  ['/v2/repository/models/double/load', '{"parameters":{"config":"{\\"parameters\\":#}"}}', 422],
];

function depthBombs(depth: number): Bomb[] {
  const nestings = [
    ['closed', '['.repeat(depth) + ']'.repeat(depth)],
    ['open', '['.repeat(depth)],
  ] as const;
  const lists = DEEP_PLACES.flatMap(([path, body, status]) =>
    nestings.map(([form, nesting]) => ({
      about: `${form} lists ${depth} deep in ${body}`,
      path,
      body: body.replace('#', nesting),
      // The routes that are not for inference take small bodies alone, but for what is loaded.
      status: nesting.length > 65_536 && /trace|index/.test(path) ? 413 : status,
    })),
  );
  const objects = '{"a":'.repeat(depth);
  const members = ['/v2/models/double/infer', '/v1/models/double:predict', '/v2/models/double/generate'].map(
    (path) => ({
      about: `objects ${depth} deep at ${path}`,
      path,
      body: `${objects}1${'}'.repeat(depth)}`,
      status: 400,
    }),
  );
  return [...lists, ...members];
}

function countBombs(): Bomb[] {
  const infer = '/v2/models/double/infer';
  const input = '{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}';
  const list = (count: number, item: (i: number) => string) => Array.from({ length: count }, (_, i) => item(i)).join();
  const many = (count: number) => `{${list(count, (i) => `"k${i}":1`)}}`;
  const shaped = (shape: string) => `{"inputs":[{"name":"x","datatype":"FP32","shape":${shape},"data":[1,2]}]}`;
  const classified = (count: string) =>
    `{"inputs":[${input}],"outputs":[{"name":"y","parameters":{"classification":${count}}}]}`;
  const refused: readonly (readonly [about: string, path: string, body: string])[] = [
    ['100,000 inputs', infer, `{"inputs":[${list(1e5, (i) => input.replace('"x"', `"x${i}"`))}]}`],
    ['1,000 inputs that are one', infer, `{"inputs":[${list(1000, () => input)}]}`],
    ['100,000 outputs', infer, `{"inputs":[${input}],"outputs":[${list(1e5, (i) => `{"name":"y${i}"}`)}]}`],
    ['1,000 outputs that are one', infer, `{"inputs":[${input}],"outputs":[${list(1000, () => '{"name":"y"}')}]}`],
    ['10,000 parameters', infer, `{"parameters":${many(1e4)},"inputs":[${input}]}`],
    ["10,000 of an input's parameters", infer, `{"inputs":[{"parameters":${many(1e4)},${input.slice(1)}]}`],
    ['1,000 dimensions', infer, shaped(`[${list(1000, () => '1')}]`)],
    ['dimensions of 0 and more than can be counted', infer, shaped('[0,9007199254740991,9007199254740991]')],
    ['more elements than can be counted', infer, shaped('[4294967296,4294967296,4294967296]')],
    ['a dimension below 0', infer, shaped('[-1,-2]')],
    ['a dimension of 2^53', infer, shaped('[9007199254740993]')],
    ['a broken dimension', infer, shaped('[1.5,2]')],
    ['an id of a million characters', infer, `{"id":"${'i'.repeat(1e6)}","inputs":[${input}]}`],
    ['half a class', infer, classified('0.5')],
    ['1e400 classes', infer, classified('1e400')],
    ['100,000 keys', '/v2/models/double/generate', many(1e5)],
    ['100,000 keys of a row', '/v1/models/double:predict', `{"instances":[${many(1e5)}]}`],
    ['100,000 columns', '/v1/models/double:predict', `{"inputs":${many(1e5)}}`],
    ['10,000 levels of tracing', '/v2/trace/setting', `{"trace_level":[${list(1e4, () => '1')}]}`],
  ];
  return [
    ...refused.map(([about, path, body]) => ({ about, path, body, status: 400 })),
    { about: 'a billion classes of two', path: infer, body: classified('1000000000'), status: 200 },
    {
      about: '10,000 parameters of a load request',
      path: '/v2/repository/models/double/load',
      body: `{"parameters":{${list(1e4, (i) => `"k${i}":"v"`)}}}`,
      status: 422,
    },
  ];
}

/** Two bytes of text for each element of four. */
function expansionBomb(bodyBytes: number): Bomb {
  const count = bodyBytes / 2 - 100;
  const head = `{"inputs":[{"name":"x","datatype":"FP32","shape":[${count / 2},2],"data":[1`;
  const body = Buffer.concat([Buffer.from(head), Buffer.alloc(2 * (count - 1), ',1'), Buffer.from(']}]}')]);
  return { about: `${count} numbers of one digit`, path: '/v2/models/double/infer', body, status: 413 };
}
