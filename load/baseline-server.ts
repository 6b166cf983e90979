// The server that Ortlet is compared with: what a backend engineer writes by hand for the same requests. Fastify as it
// comes, onnxruntime in the same process, one run for each request, no batching, no checks.

import { readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fastify } from 'fastify';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { modelPath } from './models.ts';

interface InferBody {
  inputs: { name: string; shape: number[]; data: number[] }[];
}

const { values } = parseArgs({
  options: { models: { type: 'string' }, port: { type: 'string' }, threads: { type: 'string' } },
});
const sessions = new Map<string, InferenceSession>();
for (const name of readdirSync(values.models!)) {
  const path = modelPath(values.models!, name);
  sessions.set(name, await InferenceSession.create(path, { intraOpNumThreads: Number(values.threads) }));
}

const app = fastify({ logger: false });
app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.get('/v2/health/ready', () => ({ ready: true }));
app.post<{ Params: { model: string }; Body: InferBody | Buffer }>('/v2/models/:model/infer', async (request, reply) => {
  const session = sessions.get(request.params.model)!;
  const { body } = request;
  if (!Buffer.isBuffer(body)) {
    const [input] = body.inputs;
    const feeds = { [input!.name]: new Tensor('float32', Float32Array.from(input!.data), input!.shape) };
    const [output] = Object.entries(await session.run(feeds));
    const data = Array.from(output![1].data as Float32Array);
    const described = { name: output![0], datatype: 'FP32', shape: output![1].dims, data };
    return { model_name: request.params.model, outputs: [described] };
  }
  const split = Number(request.headers['inference-header-content-length']);
  const [input] = (JSON.parse(body.toString('utf8', 0, split)) as InferBody).inputs;
  // Copied, because floats must begin at a multiple of four bytes.
  const floats = new Float32Array(new Uint8Array(body.subarray(split)).buffer);
  const [output] = Object.entries(await session.run({ [input!.name]: new Tensor('float32', floats, input!.shape) }));
  const { buffer, byteOffset, byteLength } = output![1].data as Float32Array;
  const described = { name: output![0], datatype: 'FP32', shape: output![1].dims };
  const parameters = { binary_data_size: byteLength };
  const header = Buffer.from(
    JSON.stringify({ model_name: request.params.model, outputs: [{ ...described, parameters }] }),
  );
  reply.header('content-type', 'application/octet-stream').header('inference-header-content-length', header.length);
  return Buffer.concat([header, new Uint8Array(buffer, byteOffset, byteLength)]);
});
await app.listen({ host: '127.0.0.1', port: Number(values.port) });
