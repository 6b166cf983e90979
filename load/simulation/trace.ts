// Recorded requests, one a line: {"at": 12.5, "rows": 1, "length": 64, "deadlineMs": 100, "priority": 1}

import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { latenciesOf, mean } from './figures.ts';
import type { Workload } from './workload.ts';
import { linearModel } from './workloads.ts';

const LINE = z.strictObject({
  at: z.number().nonnegative(),
  rows: z.int().min(1).default(1),
  length: z.int().min(1).default(1),
  deadlineMs: z.number().positive().optional(),
  priority: z.int().min(1).optional(),
});

/**
 * @param cost milliseconds of a run, and of each of its rows (of the longest length)
 * @throws Error that names the line and what is wrong with it
 */
export function readTrace(path: string, [fixedMs, rowMs]: readonly [number, number]): Workload {
  const lines = readFileSync(path, 'utf8').split('\n');
  const requests = lines.flatMap((line, i) => (line.trim() === '' ? [] : [readLine(line, `${path}, line ${i + 1}`)]));
  if (requests.length === 0) throw new Error(`${path} holds no requests. See --help for the form of a line`);
  requests.sort((a, b) => a.at - b.at);
  const maxLength = requests.reduce((most, { length }) => Math.max(most, length), 1);
  return {
    name: path,
    about: `${requests.length} requests; a run costs ${fixedMs} ms + ${rowMs} ms a row`,
    seconds: Math.max(1, requests.at(-1)!.at / 1000),
    models: [linearModel(fixedMs, rowMs, maxLength)],
    cores: 1,
    streams: [
      {
        arrival: { kind: 'recorded', at: requests.map(({ at }) => at) },
        kind: (_, index) => {
          const { at: _at, ...rest } = requests[index]!;
          return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
        },
      },
    ],
    merit: { name: 'mean ms', better: 'lower', of: (outcome) => mean(latenciesOf(outcome)) },
  };
}

function readLine(line: string, where: string): z.infer<typeof LINE> {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new Error(`${where} is not JSON`);
  }
  const { data, error } = LINE.safeParse(json);
  if (!data) throw new Error(`${where}: ${z.prettifyError(error)}`);
  return data;
}
