import type { Row } from '../fault.ts';
import { bombs } from './bombs.ts';
import { connectionFlood } from './connection-flood.ts';
import { slowSockets } from './slow-sockets.ts';
import { stalledReaders } from './stalled-readers.ts';

export const TRANSPORT: readonly Row[] = [
  {
    id: 'A2',
    threat: 'Slow heads, slow bodies, silent sockets',
    behaviour:
      'A head has 20 s, a request 120 s; a body of under 1 KiB/s for 20 s is answered with 408; limits are looked at every 5 s',
    faults: [slowSockets],
    tests: ['integration/transport.test.ts: heads, requests and idle connections'],
  },
  {
    id: 'A6',
    threat: 'A small packed body that unpacks to gigabytes; a body that takes many times its size',
    behaviour:
      'Unpacking stops at `maxBodyBytes`, whatever the ratio; encodings other than gzip and deflate, and several, are refused with 415; numbers are read from the bytes',
    faults: [bombs],
  },
  {
    id: 'A9',
    threat: 'More connections than the process may open files',
    behaviour:
      '`maxConnections`, lowered to what the limit on open files allows with some kept back; when it is reached, connections that do nothing are closed',
    faults: [connectionFlood],
    tests: ['unit/small-parts.test.ts: connections leave files for the rest'],
  },
  {
    id: 'A11',
    threat: 'A client does not read its answer',
    behaviour:
      'Large answers that wait to be taken are counted by `maxInFlightBytes`; a connection that takes nothing for 20 s, or one answer not within 120 s, is ended',
    faults: [stalledReaders],
  },
];
