// CPU time of a process and all processes below it, from Linux' /proc.

import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;
/** Places after the command's name in /proc/<pid>/stat. */
const PARENT = 1;
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;

/** Seconds spent so far; undefined where there is no /proc. */
export function cpuSeconds(root: number): number | undefined {
  const processes = new Map<number, { parent: number; ticks: number }>();
  try {
    for (const entry of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
      const fields = readStat(entry);
      if (!fields) continue;
      const ticks = Number(fields[USER_TICKS]) + Number(fields[SYSTEM_TICKS]);
      processes.set(Number(entry), { parent: Number(fields[PARENT]), ticks });
    }
  } catch {
    return undefined;
  }
  const family = new Set([root]);
  // A child may have a smaller id than its parent once ids have wrapped around, so look until nothing new turns up.
  for (let size = 0; size !== family.size; ) {
    size = family.size;
    for (const [id, { parent }] of processes) if (family.has(parent)) family.add(id);
  }
  let ticks = 0;
  for (const id of family) ticks += processes.get(id)?.ticks ?? 0;
  return ticks / TICKS_PER_SECOND;
}

function readStat(id: string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${id}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined; // It has ended meanwhile.
  }
}
