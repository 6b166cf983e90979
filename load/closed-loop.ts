// Closed loop: a fixed number of connections, each sends its next request when its answer is there. Shows throughput.

import autocannon from 'autocannon';
import type { LoadTask, Observations } from './generator.ts';

const SAMPLE_MS = 50;
const REQUEST_LIMIT_SECONDS = 10;
const MOST_FAILURES = 100;

export async function closedLoop({ url, headers, bodies, connections, seconds }: LoadTask): Promise<Observations> {
  const latenciesMs: number[] = [];
  let refused = 0;
  const startedAt = performance.now();
  const run = autocannon({
    url,
    method: 'POST',
    headers,
    requests: bodies.map((body) => ({ body: Buffer.from(body) })),
    connections,
    duration: seconds,
    sampleInt: SAMPLE_MS,
    timeout: REQUEST_LIMIT_SECONDS,
    bailout: MOST_FAILURES,
  });
  // Its own histogram knows whole milliseconds only; the event has the fraction.
  run.on('response', (_client, statusCode, _bytes, milliseconds) => {
    if (statusCode === 200) latenciesMs.push(milliseconds);
    else refused++;
  });
  const { errors } = await run;
  return { latenciesMs, elapsedMs: performance.now() - startedAt, failures: refused + errors, unanswered: 0 };
}
