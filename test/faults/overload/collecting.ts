// Preloaded into a server: SIGUSR2 has it collect all garbage and say what is left. Memory that only waits to be collected
// comes and goes by a hundred megabytes; what grows below that is what counts.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

process.on('SIGUSR2', () => {
  collect();
  const { rss, heapUsed } = process.memoryUsage();
  process.stderr.write(`left: ${heapUsed} bytes of heap, ${rss} bytes resident\n`);
});
