import type { Row } from '../fault.ts';
import { aborts } from './aborts.ts';
import { bodyLimits } from './body-limits.ts';
import { bombs } from './bombs.ts';
import { chunkBombs } from './chunk-bombs.ts';
import { connectionFlood } from './connection-flood.ts';
import { pathTricks } from './path-tricks.ts';
import { slowSockets } from './slow-sockets.ts';
import { smuggling } from './smuggling.ts';
import { stalledReaders } from './stalled-readers.ts';

export const TRANSPORT: readonly Row[] = [
  {
    id: 'A1',
    threat: 'Request smuggling: lengths, codings, line ends and hosts that two readers take differently',
    behaviour: 'Answered with 400 and the connection closed',
    faults: [smuggling],
    tests: ['test/integration/transport.test.ts: a request with %s is answered with 400'],
  },
  {
    id: 'A2',
    threat: 'Slow heads, slow bodies, silent sockets',
    behaviour:
      'A head has 20 s, a request 120 s; a body of under 1 KiB/s for 20 s is answered with 408; limits are looked at every 5 s',
    faults: [slowSockets],
    tests: [
      'test/integration/transport.test.ts: heads, requests and idle connections',
      'test/unit/connections.test.ts: a body that brings under a kilobyte',
    ],
  },
  {
    id: 'A3',
    threat: 'Very many headers, or very large ones',
    behaviour: 'Over 100 headers, or over 16 KiB of them, are answered with 431',
    tests: [
      'test/integration/transport.test.ts: %s are answered with 431',
      'test/integration/transport.test.ts: a usual number of headers is served',
    ],
  },
  {
    id: 'A4',
    threat: 'Very many chunks, or chunks with very large extensions',
    behaviour: 'A body of over 65,536 chunks, or with an extension or trailer of over 16 KiB, is refused',
    faults: [chunkBombs],
    tests: ['test/integration/transport.test.ts: a body in over 65,536 chunks is refused'],
  },
  {
    id: 'A5',
    threat: 'A body over the limit',
    behaviour:
      'Answered with 413: at once where the length is told, else when the limit is passed; what still comes is read for 2 s, so that the client sees the answer',
    faults: [bodyLimits],
    tests: ['test/integration/compression.test.ts: a chunked body is refused when it passes the limit'],
  },
  {
    id: 'A6',
    threat: 'A small packed body that unpacks to gigabytes; a body that takes many times its size',
    behaviour:
      'Unpacking stops at `maxBodyBytes`, whatever the ratio; encodings other than gzip and deflate, and several, are refused with 415; numbers are read from the bytes',
    faults: [bombs],
  },
  {
    id: 'A7',
    threat: 'Content types that one reader takes for JSON and another does not',
    behaviour: 'No route looks at the Content-Type: each body is checked as what the route takes',
    tests: ['test/integration/transport.test.ts: the Content-Type changes nothing'],
  },
  {
    id: 'A8',
    threat: 'Paths that lead elsewhere',
    behaviour: 'Names are looked up among the loaded models, never on disk',
    faults: [pathTricks],
  },
  {
    id: 'A9',
    threat: 'More connections than the process may open files',
    behaviour:
      '`maxConnections`, lowered to what the limit on open files allows with some kept back; when it is reached, connections that do nothing are closed',
    faults: [connectionFlood],
    tests: ['test/unit/connections.test.ts: connections leave files for the rest'],
  },
  {
    id: 'A10',
    threat: 'Clients go away: before their request is whole, in the queue, in the run, in the answer',
    behaviour: 'What waits is taken out of the queue, what runs is not answered, nothing else is concerned',
    faults: [aborts],
  },
  {
    id: 'A11',
    threat: 'A client does not read its answer',
    behaviour:
      'Large answers that wait to be taken are counted by `maxInFlightBytes`; a connection that takes nothing for 20 s, or one answer not within 120 s, is ended',
    faults: [stalledReaders],
    tests: ['test/unit/connections.test.ts: an answer that is not taken'],
  },
  {
    id: 'A12',
    threat: 'SIGPIPE, EPIPE, ECONNRESET',
    behaviour: 'The end of that connection and of nothing else',
    faults: [aborts],
  },
];
