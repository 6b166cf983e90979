import type { Row } from '../fault.ts';
import { deadlineInRun, deadlinesInQueue } from './deadlines.ts';
import { fewCores } from './few-cores.ts';
import { flooding } from './flooding.ts';
import { nthCallFails } from './nth-call-fails.ts';
import { overload } from './overload.ts';
import { poison } from './poison.ts';
import { queueLimits } from './queue-limits.ts';
import { retryStorm } from './retry-storm.ts';
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
    tests: [
      'test/unit/dynamic-batcher.test.ts: the queue is bounded in bytes too, but an empty queue takes any request',
      'test/unit/small-parts.test.ts: bodies of all requests together are bounded, but one alone always gets in',
    ],
  },
  {
    id: 'C3',
    threat: 'A deadline passes in the queue',
    behaviour: 'The request is answered 503 then and never run; an engine is told until when it may begin a batch',
    faults: [deadlinesInQueue],
    tests: ['test/unit/dynamic-batcher.test.ts: a request whose deadline passes in the queue never runs'],
  },
  {
    id: 'C4',
    threat: 'A deadline passes while the model runs, or the run does not end',
    behaviour:
      'The request is answered 504 then and its result dropped; at `runLimitMs` the engine is killed and replaced',
    faults: [deadlineInRun],
    tests: [
      'test/integration/engines.test.ts: a run over its limit gets its engine killed; the request is told, the next one is answered',
    ],
  },
  {
    id: 'C5',
    threat: 'One model is flooded',
    behaviour: 'Every model has its own queue and engines, and models share the cores by the time they have used',
    faults: [flooding],
    tests: ['test/unit/batching-parts.test.ts: who has used least goes next, and idle time is not saved up'],
  },
  {
    id: 'C6',
    threat: 'One request of a batch makes the run fail, or kills the engine',
    behaviour:
      'The batch is halved until the guilty one is found; where the engine died each member runs again by itself',
    faults: [poison],
    tests: [
      'test/unit/dynamic-batcher.test.ts: of a batch that the model refuses only the guilty row fails, found by halves',
      'test/unit/dynamic-batcher.test.ts: when an engine dies each member of its batch runs once more, by itself',
    ],
  },
  {
    id: 'C7',
    threat: 'Requests of several shapes come together',
    behaviour:
      'Only those that differ in nothing but their rows share a run; where padding is proven, lengths may differ too',
    tests: [
      'test/property/tensors.test.ts: only requests that differ in nothing but their rows may share a batch',
      'test/property/tensors.test.ts: split of join gives the requests back, for numbers and strings',
      'test/integration/batching.test.ts: share runs where a mask is proven to be obeyed, and each gets what it gets alone',
    ],
  },
  {
    id: 'C8',
    threat: 'The event loop is late',
    behaviour: 'Large JSON is decoded in a thread, engines are processes of lower priority: the loop has little to do',
    faults: [overload],
    tests: ['test/integration/engines.test.ts: health and metrics answer while every engine is busy'],
  },
  {
    id: 'C9',
    threat: 'Refused clients come back all at once',
    behaviour:
      '`Retry-After` differs by up to a quarter from client to client, and a refusal costs little beside a run',
    faults: [retryStorm],
    tests: ['test/unit/retry-after.test.ts: is spread by a quarter to either side'],
  },
  {
    id: 'C10',
    threat: 'A caller sends more than its share, or very many keys',
    behaviour:
      'A key has its own rate, over which it gets 429 and `Retry-After`; only configured keys, a hundred at most, have one',
    tests: [
      'test/integration/access.test.ts: a key without a rate is not limited; one with a rate is 429 with Retry-After, and delays nobody else',
      'test/integration/access.test.ts: lets a second’s worth through at once, then as many as come in',
    ],
  },
];

/** Of the chapter on the process. */
export const PROCESS_LASTING: readonly Row[] = [
  {
    id: 'E15',
    threat: 'Something creeps up over a long time: memory, descriptors, handles, timers, latency',
    behaviour: 'Nothing is kept of a request that is over; and the same soak notices a leak that was planted',
    faults: [soak, soakPlantedLeak],
  },
  {
    id: 'E17',
    threat: 'The machine has more cores than the server may use',
    behaviour: 'Threads are planned from the affinity mask and the cgroup quota, and pinned to no core',
    faults: [fewCores],
    tests: ['test/unit/small-parts.test.ts: the quota is read from cgroup v2, or v1, or there is none'],
  },
  {
    id: 'E18',
    threat: 'Any one call to the system fails: a file, a process, a thread, the channel to an engine',
    behaviour:
      'What needed it fails with an error, or the start with one line; all else goes on, and the next try succeeds',
    faults: [nthCallFails],
  },
];
