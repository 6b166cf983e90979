import { expect, test } from 'vitest';
import { labelled, lasting, ownMetrics, renderTogether } from '../../src/observability/aggregation.ts';
import { Metrics } from '../../src/observability/metrics.ts';

const STATES = ['LOADING', 'READY'];

async function processWith(requests: number, waiting: number, state: string) {
  const metrics = new Metrics();
  const model = metrics.forModel('m', '1');
  for (let i = 0; i < requests; i++) model.requestAnswered('ok', 0.003);
  model.queueChanged(waiting, 0);
  model.stateChanged(state, STATES);
  return metrics.measure();
}

const sample = (text: string, series: string) =>
  text.split('\n').flatMap((line) => (line.startsWith(`${series} `) ? [Number(line.split(' ').at(-1))] : []));
const OK = 'ortlet_requests_total{model="m",version="1",outcome="ok"}';

test('counters, histograms and queues are added up; a state counts where it is in any', async () => {
  const text = await renderTogether([await processWith(3, 2, 'READY'), await processWith(4, 5, 'LOADING')]);
  expect(sample(text, OK)).toEqual([7]);
  expect(sample(text, 'ortlet_request_duration_seconds_bucket{le="0.005",model="m",version="1"}')).toEqual([7]);
  expect(sample(text, 'ortlet_request_duration_seconds_count{model="m",version="1"}')).toEqual([7]);
  expect(sample(text, 'ortlet_queue_depth{model="m",version="1"}')).toEqual([7]);
  for (const state of STATES)
    expect(sample(text, `ortlet_model_state{model="m",version="1",state="${state}"}`)).toEqual([1]);
});

test("Node's metrics of a process name the replica, and only they", async () => {
  const snapshots = [await processWith(1, 0, 'READY'), await processWith(1, 0, 'READY')];
  const text = await renderTogether(snapshots.map((snapshot, i) => labelled(snapshot, String(i))));
  for (const replica of ['0', '1'])
    expect(sample(text, `process_resident_memory_bytes{replica="${replica}"}`)[0]).toBeGreaterThan(0);
  expect(sample(text, OK)).toEqual([2]);
  expect(await renderTogether([ownMetrics(snapshots[0]!)])).not.toContain('process_');
});

test('what has gone keeps its counts, and neither its queue nor its state', async () => {
  const first = lasting([await processWith(3, 2, 'READY')]);
  const text = await renderTogether([lasting([first, await processWith(4, 5, 'READY')])]);
  expect(sample(text, OK)).toEqual([7]);
  expect(sample(text, 'ortlet_batch_rows_count{model="m",version="1"}')).toEqual([0]);
  expect(text).not.toMatch(/^ortlet_(queue_depth|model_state|engines)/m);
});
