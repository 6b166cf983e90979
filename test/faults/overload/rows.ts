import type { Row } from '../fault.ts';
import { nthCallFails } from './nth-call-fails.ts';
import { overload } from './overload.ts';
import { queueLimits } from './queue-limits.ts';
import { soak, soakPlantedLeak } from './soak.ts';

export const OVERLOAD: readonly Row[] = [
  {
    id: 'C1',
    threat: 'Two, five and ten times of what can be served is offered',
    behaviour:
      'What cannot be answered in time is refused at the door, with 503 and `Retry-After`; the rest is served as ever',
    faults: [overload],
  },
  {
    id: 'C2',
    threat: 'The queue is full',
    behaviour:
      'It is bounded for each model by requests and by bytes, and all bodies together; health and metrics do not queue',
    faults: [queueLimits],
  },
];

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
