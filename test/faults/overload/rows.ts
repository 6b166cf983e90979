import type { Row } from '../fault.ts';
import { nthCallFails } from './nth-call-fails.ts';
import { soak, soakPlantedLeak } from './soak.ts';

export const OVERLOAD: readonly Row[] = [];

/** Of the chapter on the process: what shows only with time. */
export const PROCESS_LASTING: readonly Row[] = [
  {
    id: 'E15',
    threat: 'Something creeps up over a long time: memory, descriptors, handles, timers, latency',
    behaviour: 'Nothing is kept of a request that is over; and the same soak notices a leak that was planted',
    faults: [soak, soakPlantedLeak],
  },
  {
    id: 'E18',
    threat: 'Any one call to the system fails: a file, a process, a thread, the channel to an engine',
    behaviour:
      'What needed it fails with an error, or the start with one line; all else goes on, and the next try succeeds',
    faults: [nthCallFails],
  },
];
