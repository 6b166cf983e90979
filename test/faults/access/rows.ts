import type { Row } from '../fault.ts';
import { bareUser } from './bare-user.ts';
import { blockedOutput } from './blocked-output.ts';
import { clockJumps } from './clock-jumps.ts';
import { diskFull } from './disk-full.ts';
import { noNetworkAtAll } from './no-network.ts';
import { noOutbound } from './no-outbound.ts';

export const PROCESS_SURROUNDINGS: readonly Row[] = [
  {
    id: 'E10',
    threat: 'The disk is full: log, profiles, temporary files',
    behaviour: 'Serving writes nothing but the log; lines that cannot be written are dropped and counted',
    faults: [diskFull],
    tests: ['test/unit/log-output.test.ts: what fails is counted, and the next line begins on a line of its own'],
  },
  {
    id: 'E11',
    threat: 'Nobody reads standard output, or it is closed',
    behaviour: 'Up to 1 MiB of lines waits; beyond that, and when the pipe is closed, lines are dropped and counted',
    faults: [blockedOutput],
    tests: ['test/unit/log-output.test.ts: of a destination that takes nothing, a mebibyte waits'],
  },
  {
    id: 'E12',
    threat: 'A read-only root, a user that no file knows, no home, no folder for temporary files',
    behaviour: 'Nothing is written, and nobody is looked up',
    faults: [bareUser],
    tests: ['deploy/prove-image.sh: a read-only root without a network'],
  },
  {
    id: 'E13',
    threat: 'There is no network, or no name server',
    behaviour: 'Nothing at run time depends on either',
    faults: [noNetworkAtAll],
  },
];

export const ACCESS: readonly Row[] = [
  {
    id: 'F1',
    threat: 'A key guessed by how long comparing takes; a key in the log',
    behaviour:
      "A key's SHA-256 is compared with every configured one in constant time; the settings have hashes alone, and neither is logged",
    tests: [
      'test/integration/access.test.ts: is 401 with what is wanted, and the key in no log line',
      'test/unit/settings.test.ts: is refused, and what was given is not repeated',
    ],
  },
  {
    id: 'F2',
    threat: 'A server open to everybody by mistake',
    behaviour:
      'It listens on 127.0.0.1 unless told otherwise, and warns where others reach it without a key or a client certificate; admin routes are off, and can have a listener of their own',
    tests: [
      'test/integration/access.test.ts: %j warns of an open address: %s',
      'test/integration/access.test.ts: the admin routes answer there alone',
    ],
  },
  {
    id: 'F3',
    threat: "Markup in a model's names, shown on the pages of /docs",
    behaviour: 'Names are text, and the Content-Security-Policy lets the pages run scripts of the server alone',
    tests: [
      'test/integration/docs-page.test.ts: markup in the name of an input is shown, not run',
      'test/integration/docs-page.test.ts: scripts come from the server alone, none of them inline',
    ],
  },
  {
    id: 'F4',
    threat: 'A harmful package among the dependencies',
    behaviour:
      'The lock file pins every package, install scripts are off, and the README counts those of a running server',
    tests: [
      'test/sync/documents.test.ts: npm 10, which does not read allowScripts, is not told of a script',
      "test/sync/documents.test.ts: the README's tables are what the declarations say",
    ],
    absent: '`npm audit --omit=dev` asks a registry, which is done before each release and not here',
  },
  {
    id: 'F5',
    threat: 'The server is made to call others (SSRF), or does so by itself (telemetry)',
    behaviour: "It opens no connection: no request names an address, and onnxruntime's telemetry is off",
    faults: [noOutbound],
  },
  {
    id: 'F6',
    threat: 'Keys and tensors read on their way; a certificate that runs out',
    behaviour:
      'TLS 1.2 and later with `tlsCertificate`, client certificates with `tlsClientCa`; SIGHUP reads them again, and bad ones change nothing',
    tests: [
      'test/integration/tls.test.ts: TLS 1.2 and 1.3 are spoken, what is older is not',
      'test/integration/tls.test.ts: renewed, new connections get the new certificate, and open ones go on',
      'test/integration/tls.test.ts: with tlsClientCa, %s callers need a certificate of those authorities',
    ],
  },
];

export const CLOCK: Row = {
  id: 'C11',
  threat: "The machine's clock jumps by an hour, or is slewed",
  behaviour: 'Timers, deadlines and durations are of the monotonic clock; only the dates in the log follow the other',
  faults: [clockJumps],
};
