// Closed loops by wrk, which is written in C: it takes about half of autocannon's processor time for a request, and what the
// generator takes the servers do not have.

import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LoadResult, LoadTask } from './generator.ts';

const SCRIPT = fileURLToPath(new URL('./wrk.lua', import.meta.url));

/** What `wrk.lua` prints. */
interface Report {
  readonly requests: number;
  readonly failures: number;
  readonly elapsedUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuSeconds: number;
}

/** Undefined where it is not installed. */
export function wrkVersion(): string | undefined {
  const { stdout } = spawnSync('wrk', ['--version'], { encoding: 'utf8' });
  return /^wrk (?:debian\/)?(\S+)/.exec(stdout ?? '')?.[1];
}

/** @param task without a rate; whole seconds, at least one, are measured */
export async function wrk({ url, headers, bodies, connections, seconds }: LoadTask): Promise<LoadResult> {
  const folder = mkdtempSync(join(tmpdir(), 'ortlet-wrk-'));
  try {
    const files = bodies.map((body, i) => {
      const file = join(folder, String(i));
      writeFileSync(file, body);
      return file;
    });
    const { stdout } = await promisify(execFile)('wrk', [
      ...[
        '--threads',
        '1',
        '--connections',
        String(connections),
        '--duration',
        String(Math.max(1, Math.round(seconds))),
      ],
      ...Object.entries(headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]),
      ...['--script', SCRIPT, url, '--', ...files],
    ]);
    return resultOf(JSON.parse(stdout.trim().split('\n').at(-1)!) as Report);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function resultOf({ requests, failures, elapsedUs, p50Us, p99Us, cpuSeconds }: Report): LoadResult {
  return {
    requestsPerSecond: (requests * 1e6) / elapsedUs,
    p50Ms: p50Us / 1000,
    p99Ms: p99Us / 1000,
    failures,
    unanswered: 0,
    generatorCpu: (cpuSeconds * 1e6) / elapsedUs,
  };
}
