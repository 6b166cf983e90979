// A server under mixed load, looked at again and again: its memory, its latencies, and what it holds when it rests.

import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { quantile } from '../../../load/scheduler/statistics.ts';
import { residentBytesOf } from '../../../src/execution/memory-budget.ts';
import { until } from '../../fixtures/server.ts';
import type { Tally, Trial } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { MixedLoad, mixedModels } from './mixed-load.ts';
import { type Trend, trendOf } from './trend.ts';

export interface SoakForm {
  /** Not counted: caches fill, code is compiled, heaps reach their size. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Each gives one value of every series. */
  readonly windowSeconds: number;
  readonly reloadEveryMs: number;
}

export interface Soak {
  /** Of memory, in MB an hour: the server's heap and resident memory when all garbage was collected, ... */
  readonly heap: Trend;
  readonly resident: Trend;
  /** ... and the resident memory of the engines that served from the beginning to the end, together. */
  readonly engines: Trend;
  /** Without load and clients, after the warm-up and at the end. */
  readonly atRest: Readonly<Record<string, { readonly before: number; readonly after: number }>>;
  /** Of small requests, in the first and the last quarter of the windows: the middle one of each quarter. */
  readonly p99Ms: { readonly first: number; readonly last: number };
  /** Requests a second. */
  readonly rate: number;
}

/** A third of a core, engines and clients included. */
const RATE = 100;
const SCRAPE_MS = 5000;
const LOOKS_PER_WINDOW = 10;
const LOOKS_AT_REST = 5;
/** What is more than before is waited for so many looks: what has been lost track of does not go. */
const MOST_LOOKS_AT_REST = 50;
const BETWEEN_LOOKS_AT_REST_MS = 100;
const COLLECTING = new URL('./collecting.ts', import.meta.url).href;
const LEAK = new URL('./planted-leak.ts', import.meta.url).href;
const COLLECTED = /left: ([0-9]+) bytes of heap, ([0-9]+) bytes resident\n/;
const COLLECTION_LIMIT_MS = 60_000;
const MB = 1e6;

interface Window {
  readonly hours: number;
  /** The server's memory without garbage, in MB. */
  readonly heap: number;
  readonly resident: number;
  /** The lowest resident memory of each engine by its process id, in MB. */
  readonly engines: ReadonlyMap<number, number>;
  readonly p99Ms: number;
}

/** @param leakBytes what the server keeps of every request, if anything */
export async function observeSoak(form: SoakForm, trial: Trial, tally: Tally, leakBytes?: number): Promise<Soak> {
  using models = mixedModels();
  const modules = leakBytes === undefined ? [COLLECTING] : [COLLECTING, `${LEAK}?bytes=${leakBytes}`];
  await using server = await ServerUnderTest.start({
    models: models.path,
    args: ['--model-control', 'explicit', '--log-level', 'warn'],
    env: { NODE_OPTIONS: modules.map((module) => `--import=${module}`).join(' ') },
  });
  const startedAt = performance.now();
  const observe = async (seconds: number, restBefore?: Rest) => {
    const load = new MixedLoad({
      url: server.url,
      seed: trial.seed,
      rate: RATE,
      reloadEveryMs: form.reloadEveryMs,
      scrapeEveryMs: SCRAPE_MS,
      onAnswer: (failure) => tally.count(failure),
    });
    const windows: Window[] = [];
    while (windows.length < seconds / form.windowSeconds) {
      windows.push(await observeWindow(server, load, form.windowSeconds, startedAt));
      trial.progress((performance.now() - startedAt) / 1000, form.warmUpSeconds + form.seconds);
    }
    await load.stop();
    return { windows, rest: await lookAtRest(server, restBefore) };
  };
  const { rest: before } = await observe(form.warmUpSeconds);
  const { windows, rest: after } = await observe(form.seconds, before);
  const hours = windows.map((window) => window.hours);
  const trend = (value: (window: Window) => number) => trendOf(hours, windows.map(value));
  const staying = [...windows[0]!.engines.keys()].filter((pid) => windows.every(({ engines }) => engines.has(pid)));
  return {
    heap: trend(({ heap }) => heap),
    resident: trend(({ resident }) => resident),
    engines: trend(({ engines }) => staying.reduce((sum, pid) => sum + engines.get(pid)!, 0)),
    atRest: Object.fromEntries(
      Object.keys(before).map((what) => [what, { before: before[what]!, after: after[what]! }]),
    ),
    p99Ms: p99AtBothEnds(windows),
    rate: RATE,
  };
}

async function observeWindow(
  server: ServerUnderTest,
  load: MixedLoad,
  seconds: number,
  startedAt: number,
): Promise<Window> {
  const engines = new Map<number, number>();
  for (let i = 0; i < LOOKS_PER_WINDOW; i++) {
    await delay((seconds * 1000) / LOOKS_PER_WINDOW);
    for (const pid of server.engines) {
      const bytes = residentBytesOf(pid);
      // One that a reload has replaced may be gone by now.
      if (bytes !== undefined) engines.set(pid, Math.min(engines.get(pid) ?? Number.POSITIVE_INFINITY, bytes / MB));
    }
  }
  // What comes while garbage is collected belongs to the next window.
  const p99Ms = quantile(load.takeLatencies(), 0.99);
  const [heap, resident] = await collect(server);
  return { hours: (performance.now() - startedAt) / 3_600_000, heap, resident, engines, p99Ms };
}

/** Has the server collect its garbage. @returns heap and resident memory that are left, in MB */
async function collect(server: ServerUnderTest): Promise<[number, number]> {
  server.output = '';
  server.signal('SIGUSR2');
  let left: RegExpExecArray | null = null;
  await until(() => {
    left = COLLECTED.exec(server.output);
    return left !== null;
  }, COLLECTION_LIMIT_MS);
  return [Number(left![1]) / MB, Number(left![2]) / MB];
}

type Rest = Readonly<Record<string, number>>;

/** The least of several looks: what has just been closed goes in its own time. @param before what there was when it rested before */
async function lookAtRest({ pid, url }: ServerUnderTest, before?: Rest): Promise<Rest> {
  let least: Rest | undefined;
  const isMore = () => least && before && Object.entries(least).some(([what, count]) => count > before[what]!);
  for (let i = 0; i < LOOKS_AT_REST || (isMore() && i < MOST_LOOKS_AT_REST); i++) {
    await delay(BETWEEN_LOOKS_AT_REST_MS);
    const metrics = await (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text();
    const read = (name: string) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(metrics)?.[1]);
    const now: Record<string, number> = {
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      handles: read('nodejs_active_handles_total'),
      // Timers and all else that keeps the event loop alive.
      resources: read('nodejs_active_resources_total'),
    };
    least = Object.fromEntries(
      Object.entries(now).map(([what, count]) => [what, Math.min(count, least?.[what] ?? count)]),
    );
  }
  return least!;
}

function p99AtBothEnds(windows: readonly Window[]): Soak['p99Ms'] {
  const quarter = Math.ceil(windows.length / 4);
  const middle = (part: readonly Window[]) =>
    quantile(
      part.map(({ p99Ms }) => p99Ms),
      0.5,
    );
  return { first: middle(windows.slice(0, quarter)), last: middle(windows.slice(-quarter)) };
}
