// The Prometheus rules and the Grafana dashboard ask for metrics, labels and values that the server really has.
// Where promtool is on the PATH, it checks them too.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { panelQueries, readDashboard } from '../../deploy/dashboard.ts';
import { ERROR_CODES } from '../../src/errors.ts';
import { METRICS, Metrics } from '../../src/observability/metrics.ts';
import { MODEL_STATES } from '../../src/repository/registry.ts';
import { serverOf } from '../fixtures/server.ts';

const RULES = 'deploy/prometheus/rules.yml';
const rules: { record?: string; alert?: string; expr: string }[] = parse(readFileSync(RULES, 'utf8')).groups.flatMap(
  ({ rules }: { rules: object[] }) => rules,
);
const queries = [
  ...rules.map(({ record, alert, expr }) => ({ title: record ?? alert!, query: expr })),
  ...panelQueries(),
];

/** Labels of every series there can be, by name. */
async function knownSeries(): Promise<Map<string, readonly string[]>> {
  const target = ['instance', 'job'];
  const series = new Map<string, readonly string[]>([['up', target]]);
  const add = (name: string, kind: string, labels: readonly string[]) => {
    if (kind !== 'histogram') return series.set(name, [...labels, ...target]);
    series.set(`${name}_bucket`, [...labels, 'le', ...target]);
    for (const suffix of ['sum', 'count']) series.set(`${name}_${suffix}`, [...labels, ...target]);
  };
  for (const [, name, kind] of (await new Metrics().render()).matchAll(/^# TYPE ((?:process|nodejs)_\w+) (\w+)$/gm))
    add(name!, kind!, []);
  for (const [name, { kind, labels }] of Object.entries(METRICS)) add(name, kind, labels);
  for (const { record } of rules) if (record) series.set(record, ['model', 'version']);
  return series;
}

/** Names of the series in a query: what is left when strings, matchers, ranges, functions and keywords are gone. */
function seriesIn(query: string): string[] {
  const bare = query
    .replaceAll(/"[^"]*"/g, '')
    .replaceAll(/\{[^}]*\}|\[[^\]]*\]/g, ' ')
    .replaceAll(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, '')
    .replaceAll(/\b(and|or|unless|offset|bool)\b/g, '');
  return bare.match(/(?<![\w.:])[a-z_][\w:]*(?!\s*\()(?![\w:])/g) ?? [];
}

test('every query asks for series that exist', async () => {
  const series = await knownSeries();
  for (const { title, query } of queries) {
    const names = seriesIn(query);
    expect(names.length, title).toBeGreaterThan(0);
    for (const name of names) expect([...series.keys()], `${title}: ${query}`).toContain(name);
  }
});

test('the search for series misses none and takes no function for one', () => {
  const query = 'histogram_quantile(0.9, sum by (le, a) (rate(x_bucket{b=~"c|d"}[5m]))) > 2 or vector(0) and up:rate5m';
  expect(seriesIn(query)).toEqual(['x_bucket', 'up:rate5m']);
});

test('every label in a query is one that its series have, and its values are ones they take', async () => {
  const series = await knownSeries();
  const values: Record<string, readonly string[]> = {
    outcome: ['ok', ...Object.keys(ERROR_CODES)],
    state: [...MODEL_STATES, 'ready', 'starting'],
  };
  for (const { title, query } of queries) {
    for (const [, name, matchers] of query.matchAll(/([a-z_][\w:]*)\{([^}]*)\}/g)) {
      for (const [, label, value] of matchers!.matchAll(/(\w+)=~?"([^"]*)"/g)) {
        expect(series.get(name!), `${title}: ${name}`).toContain(label);
        for (const one of values[label!] ? value!.split('|') : []) expect(values[label!], title).toContain(one);
      }
    }
    const grouped = [...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels]) => labels!.split(', '));
    const offered = seriesIn(query).flatMap((name) => series.get(name)!);
    for (const label of grouped) expect(offered, `${title}: by ${label}`).toContain(label);
  }
});

test('every metric of the server is on the dashboard', () => {
  const asked = new Set(panelQueries().flatMap(({ query }) => seriesIn(query)));
  for (const name of Object.keys(METRICS))
    expect(
      [...asked].some((series) => series.replace(/_(bucket|sum|count)$/, '') === name),
      name,
    ).toBe(true);
});

test('the panels have ids of their own, do not overlap and stay on the page', () => {
  const { panels } = readDashboard();
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = new Set<string>();
  for (const { title, gridPos } of panels) {
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(cells.has(`${x},${y}`), title).toBe(false);
        cells.add(`${x},${y}`);
      }
    }
  }
});

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
if (!hasPromtool) console.log('promtool is not on the PATH: its checks of the rules, queries and metrics are skipped');

describe.skipIf(!hasPromtool)('promtool, where it is on the PATH,', () => {
  const promtool = (...args: string[]) => execFileSync('promtool', args, { encoding: 'utf8', stdio: 'pipe' });

  test('accepts the configuration with its rules', () => {
    expect(promtool('check', 'config', 'deploy/prometheus/prometheus.yml')).toContain(`${rules.length} rules found`);
  });

  test('passes the tests of the rules', () => {
    expect(promtool('test', 'rules', 'deploy/prometheus/rules.test.yml')).toContain('SUCCESS');
  });

  test('parses every query of the dashboard', () => {
    const folder = mkdtempSync(join(tmpdir(), 'ortlet-test-'));
    const file = join(folder, 'dashboard.yml');
    const recorded = panelQueries().map(({ query }, i) => ({ record: `dashboard:${i}`, expr: query }));
    writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules: recorded }] }));
    expect(promtool('check', 'rules', file)).toContain(`${recorded.length} rules found`);
    rmSync(folder, { recursive: true });
  });

  test('finds nothing to say about our metrics of a server that has answered', async () => {
    await using server = await serverOf('models/simplenet');
    const payload = readFileSync('models/simplenet/request.json');
    for (const url of ['/v2/models/simplenet/infer', '/v2/models/nonsense/infer']) {
      await server.app.inject({ method: 'POST', url, payload });
    }
    const metrics = (await server.app.inject('/metrics')).body;
    expect(metrics).toContain('ortlet_requests_total{model="simplenet",version="1",outcome="ok"} 1');
    const { stderr, status } = spawnSync('promtool', ['check', 'metrics'], { input: metrics, encoding: 'utf8' });
    // 3: remarks of the linter; prom-client's own names get some.
    expect([0, 3]).toContain(status);
    expect(stderr.split('\n').filter((line) => line !== '' && !/^(nodejs|process)_/.test(line))).toEqual([]);
  });
});
