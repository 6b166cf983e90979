import type { Row } from '../fault.ts';
import { parentDeath } from '../process/parent-death.ts';
import { engineOom } from './engine-oom.ts';
import { memoryBudget } from './memory-budget.ts';
import { reloads } from './reloads.ts';

export const MODELS: readonly Row[] = [
  {
    id: 'D3',
    threat: 'A model allocates without bound',
    behaviour:
      'Its engine is the first that the kernel ends where memory runs out, or is killed beyond 1.5 times `maxEngineBytes`; the request gets an error after one more try',
    faults: [engineOom],
  },
  {
    id: 'D4',
    threat: 'A model is reloaded while it serves',
    behaviour: 'The new version is loaded and run beside the old one, takes over, and the old one ends when it is idle',
    faults: [reloads],
    tests: ['test/integration/repository.test.ts: a reload swaps in what is on disk now, without a failed request'],
  },
];

/** Of the chapter on processes: what engines hold. */
export const PROCESS_MEMORY: readonly Row[] = [
  {
    id: 'E8',
    threat: 'An engine holds ever more memory',
    behaviour:
      'Beyond `maxEngineBytes` a fresh engine takes over, and the old one ends when it is idle; in a long run beyond 1.5 times it is killed',
    faults: [memoryBudget],
    tests: ['test/unit/memory-budget.test.ts: one that is far over it is killed'],
  },
  {
    id: 'E9',
    threat: 'The kernel kills an engine or the server for want of memory',
    behaviour:
      'An engine is killed first, and replaced as after any crash; the server keeps nothing on disk that a new one would have to mend, and its engines end with it',
    faults: [engineOom, parentDeath],
  },
];
