// A cgroup with a memory limit, for servers that are to run out of it: version 1's memory controller, or version 2's.

import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const VERSION_1 = '/sys/fs/cgroup/memory';
const VERSION_2 = '/sys/fs/cgroup';

/** Why there can be none here, or undefined. */
export function cgroupObstacle(): string | undefined {
  try {
    accessSync(`${parentFolder()}/cgroup.procs`, constants.W_OK);
    if (isVersion1()) return undefined;
    const controllers = readFileSync(`${VERSION_2}/cgroup.subtree_control`, 'utf8');
    return controllers.includes('memory') ? undefined : 'the memory controller is not handed down to new cgroups';
  } catch {
    return 'no cgroup with a memory limit can be made here';
  }
}

export function memoryCgroup(limitBytes: number) {
  const path = `${parentFolder()}/ortlet-fault-${process.pid}`;
  mkdirSync(path);
  writeFileSync(`${path}/${isVersion1() ? 'memory.limit_in_bytes' : 'memory.max'}`, String(limitBytes));
  const events = `${path}/${isVersion1() ? 'memory.oom_control' : 'memory.events'}`;
  return {
    /** A program that is started by this is in it, and so are its children. */
    by: ['sh', '-c', `echo $$ > ${path}/cgroup.procs && exec "$@"`, 'sh'],
    /** How many processes the kernel has killed in it. */
    kills: () => Number(/^oom_kill (\d+)/m.exec(readFileSync(events, 'utf8'))?.[1]),
    async [Symbol.asyncDispose](): Promise<void> {
      // Processes that have been killed are in it until they are gone.
      for (let tries = 0; readFileSync(`${path}/cgroup.procs`, 'utf8') !== '' && tries < 100; tries++) await delay(50);
      rmdirSync(path);
    },
  };
}

function parentFolder(): string {
  return isVersion1() ? VERSION_1 : VERSION_2;
}

function isVersion1(): boolean {
  return existsSync(`${VERSION_1}/memory.limit_in_bytes`);
}
