// npm run simulate: schedulers compared in virtual time.

import { compare } from './comparison.ts';
import { writeDocument } from './document.ts';
import { HELP, readFlags } from './flags.ts';
import { printComparison } from './report.ts';

try {
  const flags = readFlags(process.argv.slice(2));
  if (flags.help) console.log(HELP);
  else {
    const comparisons = flags.workloads.map((workload) => {
      const comparison = compare(workload, flags.seeds);
      console.log(`${printComparison(comparison)}\n`);
      return comparison;
    });
    console.log('* first, or within 2 % of the first');
    if (flags.writeDocs) console.log(`Wrote ${writeDocument(comparisons, flags.seeds)}`);
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
