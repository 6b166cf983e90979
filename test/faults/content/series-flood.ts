import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { Draw } from './draw.ts';
import { frame } from './http-request.ts';
import { knownModels } from './infer-requests.ts';
import { Wire } from './wire.ts';

const CONNECTIONS = 16;
/** Enough for every kind of request to have come once: what they count by is there then. */
const FIRST = 300;
const LIMIT_MS = 30_000;

export const seriesFlood: Fault = {
  name: 'series-flood',
  kind: 'fuzz',
  promise:
    'models, versions, labels, inputs, paths, methods and ids that callers invent make no new series in /metrics',
  async run({ length, seed, progress }) {
    const total = length === 'short' ? 600 : 100_000;
    using repository = knownModels();
    await using server = await ServerUnderTest.start({ models: repository.path, args: ['--log-level', 'error'] });
    const tally = new Tally();
    let sent = 0;
    const flood = async (end: number) => {
      const worker = async () => {
        let wire = await Wire.open(server.port);
        while (sent < end) {
          const { method, bytes } = draw(new Draw(seed, sent++));
          const answer = await wire.exchange(method, bytes, LIMIT_MS);
          if (answer === 'hang') tally.count(`${bytes.toString('latin1', 0, 80)}: no answer`);
          if (wire.closed || typeof answer !== 'object' || /^connection: *close/im.test(answer.head)) {
            wire.destroy();
            wire = await Wire.open(server.port);
          }
          progress(sent, total);
        }
        wire.destroy();
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, worker));
      return await seriesOf(server.url);
    };
    const before = await flood(FIRST);
    const after = await flood(total);
    const invented = [...after].filter((series) => !before.has(series));
    for (const series of invented) tally.count(`a new series: ${series.slice(0, 200)}`);
    while (tally.cases < total) tally.count();
    return tally.outcome(`${before.size} series before, ${after.size} after`, {
      before: before.size,
      after: after.size,
    });
  },
};

/** Names of metrics with their labels. */
async function seriesOf(url: string): Promise<ReadonlySet<string>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Set(lines.map((line) => line.slice(0, line.lastIndexOf(' '))));
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'REPORT', 'LOCK', 'SEARCH'];

function draw(draw: Draw): { readonly method: string; readonly bytes: Buffer } {
  const name = `n${draw.below(2 ** 31).toString(36)}`;
  const input = { name, datatype: 'FP32', shape: [1, 2], data: [1, 2] };
  const [method, path, body] = draw.of<() => readonly [string, string, unknown?]>([
    () => ['POST', `/v2/models/${name}/infer`, { inputs: [input] }],
    () => ['POST', `/v2/models/double/versions/${name}/infer`, { inputs: [input] }],
    () => ['POST', '/v2/models/double/infer', { id: name, inputs: [input] }],
    () => ['POST', '/v2/models/double/infer', { inputs: [{ ...input, name: 'x' }], outputs: [{ name }] }],
    () => ['POST', '/v2/models/double/infer', { parameters: { [name]: 1 }, inputs: [{ ...input, name: 'x' }] }],
    () => ['POST', `/v1/models/${name}:predict`, { instances: [[1, 2]] }],
    () => ['GET', `/v1/models/double/labels/${name}`],
    () => ['GET', `/v2/models/${name}/stats`],
    () => ['POST', `/v2/repository/models/${name}/load`, {}],
    () => [draw.of(METHODS), `/${name}/${name}?${name}`],
    () => [draw.of(METHODS), '/v2/models/double/infer', {}],
  ])();
  const headers = { 'x-request-id': name, 'user-agent': name };
  const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  return { method, bytes: frame({ method, path, headers, body: content }) };
}
