import { expect, test } from 'vitest';
import { doubling, repositoryOf } from '../fixtures/models.ts';
import { serverOf, x } from '../fixtures/server.ts';

const row = [x('FP32', [1, 2], [1, 2])];

async function tracedServer(modelControl: string) {
  const repository = repositoryOf({ 'm.onnx': doubling(), 'other.onnx': doubling() });
  const lines: string[] = [];
  const server = await serverOf(repository.path, { modelControl }, lines);
  const trace = async (path: string, change?: object) => {
    const { statusCode, body } = await server.app.inject({
      method: change ? 'POST' : 'GET',
      url: `/v2${path}/trace/setting`,
      ...(change && { payload: JSON.stringify(change) }),
    });
    return { status: statusCode, body: JSON.parse(body) };
  };
  const traces = () => lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'trace');
  return {
    ...server,
    trace,
    traces,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      repository[Symbol.dispose]();
    },
  };
}

test('one request of so many leaves a line with its instants, and no more than the count', async () => {
  await using server = await tracedServer('explicit');
  await server.infer('m', row);
  expect(server.traces()).toEqual([]);
  expect(await server.trace('', { trace_level: ['TIMESTAMPS'], trace_rate: '2', trace_count: '2' })).toMatchObject({
    status: 200,
    body: { trace_level: ['TIMESTAMPS'], trace_rate: '2', trace_count: '2', trace_mode: 'triton' },
  });
  for (let i = 0; i < 8; i++) await server.infer('m', row, { headers: { 'x-request-id': `r${i}` } });
  expect(server.traces().map(({ requestId }) => requestId)).toEqual(['r0', 'r2']);
  expect(server.traces()[0]).toMatchObject({ model: 'm', version: '1', timings: { batchRows: 1 } });
});

test('a model has settings of its own where it is given some, and follows the others where it is not', async () => {
  await using server = await tracedServer('explicit');
  await server.trace('/models/m', { trace_level: ['TENSORS'], trace_rate: '1' });
  await server.infer('m', row);
  await server.infer('other', row);
  expect(server.traces()).toMatchObject([{ model: 'm', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2] }] }]);
  await server.trace('', { trace_level: ['TIMESTAMPS'], trace_rate: '5' });
  expect((await server.trace('/models/m')).body).toMatchObject({ trace_level: ['TENSORS'], trace_rate: '1' });
  await server.trace('/models/m', { trace_level: null, trace_rate: null });
  expect((await server.trace('/models/m')).body).toMatchObject({ trace_level: ['TIMESTAMPS'], trace_rate: '5' });
  await server.trace('', { trace_level: ['OFF'] });
  expect((await server.trace('/models/other')).body.trace_level).toEqual(['OFF']);
});

test('a wrong setting, a file and a server without control are refused', async () => {
  await using server = await tracedServer('explicit');
  for (const change of [
    { trace_level: ['OFF', 'TIMESTAMPS'] },
    { trace_rate: '0' },
    { trace_rate: 1 },
    { trace_file: '/x' },
  ]) {
    expect((await server.trace('', change)).status).toBe(400);
  }
  expect((await server.trace('/models/none')).status).toBe(404);
  await using strict = await tracedServer('none');
  expect((await strict.trace('', { trace_rate: '1' })).status).toBe(403);
});
