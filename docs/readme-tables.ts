// The README's tables, from their one declaration each. `npm run readme` writes them; a test compares.

import { readFileSync, writeFileSync } from 'node:fs';
import { describeSettings } from '../src/config/describe.ts';
import { ERROR_CODES, type ErrorCode } from '../src/errors.ts';
import { STATUS_OF } from '../src/http/error-handler.ts';
import { DISPATCH_REASONS } from '../src/inference.ts';
import { METRICS } from '../src/observability/metrics.ts';

const README = new URL('../README.md', import.meta.url);

/** The README as it should be: what stands between `<!-- table: x -->` and `<!-- end -->` is replaced. */
export function renderReadme(text: string): string {
  return text.replaceAll(
    /(<!-- table: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const table = TABLES[name];
      if (!table) throw new Error(`the README asks for an unknown table '${name}'`);
      return `${start}\n${table()}\n\n${end}`;
    },
  );
}

const TABLES: Record<string, () => string> = {
  settings: () =>
    markdownTable(
      ['Setting', 'Flag', 'Environment', 'Default', 'Meaning'],
      describeSettings().map(({ name, flag, environment, defaultValue, description, perModel }) => [
        `\`${name}\`${perModel ? ' *' : ''}`,
        `\`${flag}\``,
        `\`${environment}\``,
        `\`${defaultValue}\``,
        description,
      ]),
    ),
  errors: () =>
    markdownTable(
      ['Code', 'Status', 'Meaning'],
      Object.entries(ERROR_CODES).map(([code, meaning]) => [
        `\`${code}\``,
        String(STATUS_OF[code as ErrorCode]),
        meaning,
      ]),
    ),
  metrics: () =>
    markdownTable(
      ['Metric', 'Kind', 'Labels', 'Meaning'],
      Object.entries(METRICS).map(([name, { kind, labels, help }]) => [
        `\`${name}\``,
        kind,
        labels.map((l) => `\`${l}\``).join(', '),
        help,
      ]),
    ),
  reasons: () =>
    markdownTable(
      ['Reason', 'Meaning'],
      Object.entries(DISPATCH_REASONS).map(([reason, meaning]) => [`\`${reason}\``, meaning]),
    ),
  packages: () => {
    const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as LockFile;
    const { '': own, ...installed } = lock.packages;
    const all = Object.values(installed).filter(({ dev }) => !dev);
    return `A running server is made of ${all.length} packages, ${Object.keys(own!.dependencies!).length} of them asked for by name; \`npm sbom --omit=dev\` lists them.`;
  },
  load: () => {
    const { scenarios } = JSON.parse(
      readFileSync(new URL('load-results.json', import.meta.url), 'utf8'),
    ) as LoadResults;
    const fixed = (value: number, digits: number) => value.toFixed(digits);
    return markdownTable(
      ['Scenario', 'By hand, req/s', 'Ortlet, req/s', 'Ratio (rounds)', 'By hand, p50 ms', 'Ortlet, p50 ms'],
      scenarios.map(({ scenario, handWritten, ortlet, ratio }) => [
        scenario,
        fixed(handWritten.requestsPerSecond, 0),
        fixed(ortlet.requestsPerSecond, 0),
        ratio ? `${fixed(ratio.median, 2)} (${fixed(ratio.lowest, 2)}–${fixed(ratio.highest, 2)})` : 'same rate',
        fixed(handWritten.p50Ms, 2),
        fixed(ortlet.p50Ms, 2),
      ]),
    );
  },
};

/** `package-lock.json`, as far as the count of packages needs it; under the empty name is the project itself. */
interface LockFile {
  readonly packages: Readonly<Record<string, { readonly dev?: true; readonly dependencies?: object }>>;
}

/** What `npm run load` writes, as far as the table needs it. */
interface LoadResults {
  readonly scenarios: readonly {
    readonly scenario: string;
    readonly handWritten: { readonly requestsPerSecond: number; readonly p50Ms: number };
    readonly ortlet: { readonly requestsPerSecond: number; readonly p50Ms: number };
    readonly ratio?: { readonly lowest: number; readonly median: number; readonly highest: number };
  }[];
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

if (import.meta.main) writeFileSync(README, renderReadme(readFileSync(README, 'utf8')));
