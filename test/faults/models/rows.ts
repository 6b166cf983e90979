import type { Row } from '../fault.ts';
import { memoryBudget } from './memory-budget.ts';
import { reloads } from './reloads.ts';

export const MODELS: readonly Row[] = [
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
    behaviour: 'Beyond `maxEngineBytes` a fresh engine takes over, and the old one ends when it is idle; in a long run beyond 1.5 times it is killed',
    faults: [memoryBudget],
    tests: ['test/unit/memory-budget.test.ts: one that is far over it is killed'],
  },
];
