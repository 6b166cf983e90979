import { deflateSync, gzipSync } from 'node:zlib';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { INFER_PATH } from './normal-client.ts';
import { post, sendRaw } from './raw-client.ts';

const LIMIT = 20_000;
const BLOB = Buffer.from(Float32Array.of(1, 2).buffer);

/** How a body of so many bytes is sent, in each way there is. */
const WAYS: Readonly<Record<string, (bytes: number) => Buffer>> = {
  JSON: (bytes) => post(INFER_PATH, {}, json(bytes)),
  binary: (bytes) => {
    const header = json(bytes - BLOB.length, '"parameters":{"binary_data_size":8}');
    const headers = { 'inference-header-content-length': String(header.length) };
    return post(INFER_PATH, headers, Buffer.concat([header, BLOB]));
  },
  gzip: (bytes) => post(INFER_PATH, { 'content-encoding': 'gzip' }, gzipSync(json(bytes))),
  deflate: (bytes) => post(INFER_PATH, { 'content-encoding': 'deflate' }, deflateSync(json(bytes))),
  chunked: (bytes) => chunked(json(bytes)),
  'of another route': (bytes) => post('/v2/repository/index', {}, Buffer.from(' '.repeat(bytes))),
};
const OFF: readonly (readonly [bytes: number, status: number])[] = [
  [-1, 200],
  [0, 200],
  [1, 413],
  [50_000, 413],
];

export const bodyLimits: Fault = {
  name: 'body-limits',
  kind: 'fuzz',
  promise: 'a body up to `maxBodyBytes` is taken and one of a byte more refused with 413, however it is sent',
  async run({ progress }) {
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling() });
    const args = ['--log-level', 'error', '--max-body-bytes', String(LIMIT)];
    await using server = await ServerUnderTest.start({ models: repository.path, args });
    const total = Object.keys(WAYS).length * OFF.length;
    for (const [way, request] of Object.entries(WAYS)) {
      for (const [off, expected] of OFF) {
        const { status, closed } = await sendRaw(server.port, request(LIMIT + off));
        const right = status === expected && closed;
        tally.count(right ? undefined : `${way}, ${off} bytes over the limit: ${status}, not ${expected}`);
        progress(tally.cases, total);
      }
    }
    return tally.outcome(`at the limit and a byte beside it, in ${Object.keys(WAYS).length} ways`);
  },
};

/** A request of exactly so many bytes, most of them spaces. */
function json(bytes: number, elements = '"data":[1,2]'): Buffer {
  const text = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],${elements}}]}`;
  return Buffer.from(text.padEnd(bytes));
}

function chunked(body: Buffer): Buffer {
  const head = `POST ${INFER_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const chunks: string[] = [];
  for (let at = 0; at < body.length; at += 1000) {
    const chunk = body.toString('latin1', at, at + 1000);
    chunks.push(`${chunk.length.toString(16)}\r\n${chunk}\r\n`);
  }
  return Buffer.from(`${head}${chunks.join('')}0\r\n\r\n`);
}
