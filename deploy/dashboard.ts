// The queries of the Grafana dashboard, with its variables filled in, as Prometheus gets them.
// Run by itself it prints them: one a line, the panel's title and the query separated by a tab.

import { readFileSync } from 'node:fs';

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

const FILE = new URL('./grafana/dashboards/ortlet.json', import.meta.url);

export function readDashboard(): { readonly uid: string; readonly panels: readonly Panel[] } {
  return JSON.parse(readFileSync(FILE, 'utf8'));
}

/** @param interval what `$__rate_interval` stands for */
export function panelQueries(interval = '1m'): { title: string; query: string }[] {
  return readDashboard().panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({
      title,
      query: expr.replaceAll('$__rate_interval', interval).replaceAll(/\$(instance|model)/g, '.*'),
    })),
  );
}

if (import.meta.main) {
  process.stdout.write(
    panelQueries(process.argv[2])
      .map(({ title, query }) => `${title}\t${query}\n`)
      .join(''),
  );
}
