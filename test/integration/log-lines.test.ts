// Whatever callers put into names and headers, a line of the log stays one line of JSON without credentials.

import { afterAll, expect, test } from 'vitest';
import { doubling, repositoryOf, strings } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';

const KEY = 'not-to-be-logged';
const repository = repositoryOf({ 'm.onnx': doubling(), 'strings.onnx': strings() });
const lines: string[] = [];
const server = await serverOf(
  repository.path,
  { modelControl: 'explicit', loadOverrides: 'files', sageMaker: true },
  lines,
);

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  repository[Symbol.dispose]();
});

/** Ends of lines, escape sequences of terminals, and what some readers take for the end of a line. */
const EVIL = 'a\r\n{"level":"info","msg":"forged"}\n\u001b[2J\u001b]0;x\u0007\u009b31m\u0085\u2028b\u2029\u007f\ud800';
const inPath = encodeURIComponent(EVIL.toWellFormed());
const inHeader = 'a\u001b[2J\t\u0085\u009b31m{"msg":"forged"}';
const X = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] };
const infer = (body: object) => ({ url: '/v2/models/m/infer', payload: JSON.stringify(body) });
const headed = (name: string) => ({ ...infer({ inputs: [X] }), headers: { [name]: inHeader } });

const PLACES: readonly (readonly [where: string, request: object])[] = [
  ['a path', { method: 'GET', url: `/${inPath}` }],
  ['a query', { method: 'GET', url: `/v2/nowhere?${inPath}` }],
  ["a model's name", { url: `/v2/models/${inPath}/infer`, payload: JSON.stringify({ inputs: [X] }) }],
  ['a version', { url: `/v2/models/m/versions/${inPath}/infer`, payload: JSON.stringify({ inputs: [X] }) }],
  ["an input's name", infer({ inputs: [{ ...X, name: EVIL }] })],
  ["an output's name", infer({ inputs: [X], outputs: [{ name: EVIL }] })],
  ['a datatype', infer({ inputs: [{ ...X, datatype: EVIL }] })],
  ['an element', infer({ inputs: [{ ...X, data: [EVIL, 2] }] })],
  ['a parameter', infer({ parameters: { [`triton_${EVIL}`]: 1 }, inputs: [X] })],
  ["a parameter's value", infer({ parameters: { priority: EVIL }, inputs: [X] })],
  [
    'a string that the model refuses',
    { url: '/v1/models/strings:predict', payload: JSON.stringify({ instances: [EVIL] }) },
  ],
  ['a column', { url: '/v1/models/m:predict', payload: JSON.stringify({ inputs: { [EVIL]: 1 } }) }],
  ['a key', { url: '/v2/models/m/generate', payload: JSON.stringify({ [`triton_${EVIL}`]: 1 }) }],
  ['what is no JSON', { url: '/v2/models/m/infer', payload: EVIL }],
  ['a setting', { url: '/v2/trace/setting', payload: JSON.stringify({ trace_rate: EVIL }) }],
  [
    'a parameter of a load request',
    { url: '/v2/repository/models/m/load', payload: JSON.stringify({ parameters: { [EVIL]: '' } }) },
  ],
  [
    'a configuration',
    {
      url: '/v2/repository/models/m/load',
      payload: JSON.stringify({ parameters: { config: JSON.stringify({ [EVIL]: 1 }) } }),
    },
  ],
  ['a timeout', headed('x-request-timeout-ms')],
  ['a length', headed('inference-header-content-length')],
  ['an encoding', headed('content-encoding')],
  ['an id of the request', { ...headed('x-request-id'), url: '/v2/models/nosuch/infer' }],
  ['the name of a target', { ...headed('x-amzn-sagemaker-target-model'), url: '/invocations' }],
];

test.each(PLACES)('line ends, escapes and forged lines in %s make one line', async (_where, request) => {
  const before = lines.length;
  const headers = { authorization: `Bearer ${KEY}`, cookie: KEY, ...(request as { headers?: object }).headers };
  const { statusCode } = await server.app.inject({ method: 'POST', ...request, headers });
  expect(statusCode).toBeGreaterThanOrEqual(400);
  expect(statusCode).toBeLessThan(500);
  const written = lines.slice(before);
  expect(written).toHaveLength(1);
  for (const line of written) {
    expect(line).toMatch(/^[^\p{Cc}\u2028\u2029]+\n$/u);
    expect(JSON.parse(line)).toMatchObject({ level: 'info', code: expect.any(String) });
    expect(line).not.toContain(KEY);
  }
});

test('a name as long as its body is cut in the answer and in the log', async () => {
  const before = lines.length;
  const { error } = (
    await server.app.inject({ method: 'POST', ...infer({ inputs: [{ ...X, name: 'n'.repeat(1e6) }] }) })
  ).json();
  expect(error).toMatch(/^unexpected inference input 'n{1900,}…$/);
  expect(lines.slice(before).join('').length).toBeLessThan(5000);
});

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test.each([
  ['a good traceparent', { traceparent: TRACE }],
  ['one of the future', { traceparent: `cc${TRACE.slice(2)}-what-the-future-will-be-like` }],
  ['a forbidden version', { traceparent: `ff${TRACE.slice(2)}` }],
  ['an id of zeros', { traceparent: '00-00000000000000000000000000000000-00f067aa0ba902b7-01' }],
  ['capitals', { traceparent: TRACE.toUpperCase() }],
  ['too short a one', { traceparent: '00-1-2' }],
  ['too long a one', { traceparent: TRACE + '0'.repeat(8000) }],
  ['an empty one', { traceparent: '' }],
  ['forged lines', { traceparent: inHeader }],
  [
    'a tracestate of a thousand vendors',
    { traceparent: TRACE, tracestate: Array.from({ length: 1000 }, (_, i) => `v${i}=1`).join() },
  ],
  ['a tracestate that is none', { traceparent: TRACE, tracestate: '=,=,;;__proto__=1' }],
  [
    'other headers of traces',
    { b3: '1', 'x-b3-traceid': 'x', 'x-cloud-trace-context': '/;o=9', baggage: '__proto__=1' },
  ],
])('%s changes no answer and leaves nothing in the log', async (_name, headers) => {
  const plain = await server.app.inject({ method: 'POST', ...infer({ inputs: [X] }) });
  const before = lines.length;
  const traced = await server.app.inject({ method: 'POST', ...infer({ inputs: [X] }), headers });
  expect([traced.statusCode, traced.body]).toEqual([200, plain.body]);
  for (const line of lines.slice(before)) expect(line).not.toMatch(/4bf92f35|v999|__proto__|forged/i);
});
