// What a batcher does that knows no lengths: takes what waits in the order it came, up to 32 requests, fills all up to the
// longest, runs them once, cuts them apart. Fastify and a session with the threads that Ortlet picks, runs one after another.

import { parseArgs } from 'node:util';
import Fastify from 'fastify';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const MOST_ROWS = 32;

interface Waiting {
  readonly ids: BigInt64Array;
  resolve(y: Float32Array): void;
}

const { values } = parseArgs({
  options: { model: { type: 'string' }, port: { type: 'string' }, threads: { type: 'string' } },
});
const session = await InferenceSession.create(values.model!, {
  intraOpNumThreads: Number(values.threads),
  extra: { session: { intra_op: { allow_spinning: '0' } } },
});
const waiting: Waiting[] = [];
let running = false;

const app = Fastify();
app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.get('/v2/health/ready', () => ({ ready: true }));
app.post<{ Body: Buffer }>('/v2/models/encoder/infer', async (request, reply) => {
  const start = Number(request.headers['inference-header-content-length']);
  const size = (request.body.length - start) / 2;
  const bytes = Uint8Array.from(request.body.subarray(start, start + size));
  const y = await new Promise<Float32Array>((resolve) => {
    waiting.push({ ids: new BigInt64Array(bytes.buffer), resolve });
    if (!running) setImmediate(run);
  });
  return reply.type('application/octet-stream').send(Buffer.from(y.buffer, y.byteOffset, y.byteLength));
});
await app.listen({ host: '127.0.0.1', port: Number(values.port) });

async function run(): Promise<void> {
  if (running) return;
  running = true;
  while (waiting.length > 0) {
    const batch = waiting.splice(0, MOST_ROWS);
    const longest = Math.max(...batch.map(({ ids }) => ids.length));
    const [ids, mask] = [new BigInt64Array(batch.length * longest), new BigInt64Array(batch.length * longest)];
    for (const [row, { ids: own }] of batch.entries()) {
      ids.set(own, row * longest);
      mask.fill(1n, row * longest, row * longest + own.length);
    }
    const shape = [batch.length, longest];
    const { y } = await session.run({
      input_ids: new Tensor('int64', ids, shape),
      attention_mask: new Tensor('int64', mask, shape),
    });
    const data = y!.data as Float32Array;
    for (const [row, { resolve }] of batch.entries()) resolve(data.slice(row * 2, row * 2 + 2));
  }
  running = false;
}
