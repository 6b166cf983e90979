import type { Row } from '../fault.ts';
import { overload } from '../overload/overload.ts';
import { badConfigurations } from './bad-configurations.ts';
import { engineKills } from './engine-kills.ts';
import { engineStops } from './engine-stops.ts';
import { killerModel } from './killer-model.ts';
import { parentDeath } from './parent-death.ts';
import { replicaKills, replicaRolls } from './replica-kills.ts';
import { rollingRestarts } from './rolling-restarts.ts';
import { signals } from './signals.ts';

export const PROCESS: readonly Row[] = [
  {
    id: 'E1',
    threat: 'An engine dies: SIGKILL, SIGSEGV, SIGABRT',
    behaviour:
      'Each request of its run is run again by itself on the next engine, which is started at once; what kills two engines is answered 500 and not run again. A replica that dies breaks its connections and is replaced at once',
    faults: [engineKills, replicaKills],
    tests: [
      'test/integration/engines.test.ts: kill -9 of an engine under load fails no request',
      'test/integration/replicas.test.ts: a replica that is killed under load is replaced',
    ],
  },
  {
    id: 'E2',
    threat: 'A crash loop',
    behaviour:
      'Engines come back after 0, 100, 200 ms … 30 s; after five deaths in a row without a finished run the model is UNAVAILABLE (503 with the reason) until an engine is there. The other models serve on',
    faults: [killerModel],
    tests: ['test/integration/engines.test.ts: a model that cannot serve is UNAVAILABLE with its reason'],
  },
  {
    id: 'E3',
    threat: 'An engine hangs: SIGSTOP, an endless loop',
    behaviour:
      'The run limit (`runLimitMs`) kills it, and its requests run again by themselves. One that hangs while idle is noticed at the run limit of its next run: nothing but runs is asked of an engine',
    faults: [engineStops],
    tests: ['test/integration/engines.test.ts: a run over its limit gets its engine killed'],
  },
  {
    id: 'E4',
    threat: 'The server dies',
    behaviour: 'Its engines end by themselves: the socket that each reads from has closed',
    faults: [parentDeath],
  },
  {
    id: 'E5',
    threat: 'SIGTERM under load',
    behaviour:
      'Not ready at once, still serving for `shutdownDelayMs`, every answer with `Connection: close`; then no new connections, those that are open get their last answer, what is inside is finished, exit 0',
    faults: [rollingRestarts, replicaRolls],
    tests: [
      'test/integration/connections.test.ts: one that is idle gets another answer, which closes it',
      'test/cli/process.test.ts: SIGTERM under load answers every accepted request',
      'test/integration/life-cycle.test.ts: ready is 503 at once, requests are served on connections that close',
    ],
  },
  {
    id: 'E6',
    threat: 'SIGTERM and SIGINT at the start, in a load, a reload, a roll; SIGHUP; two signals',
    behaviour:
      'A load is called off; a second signal ends the shutdown delay; exit 0. Runs are in other processes, so that no signal aborts with 134',
    faults: [signals],
    tests: ['test/integration/life-cycle.test.ts: while the models load ends their engines and the process'],
  },
  {
    id: 'E7',
    threat: 'The drain limit passes while a model runs',
    behaviour: 'The engines are killed, the connections closed, exit 1',
    faults: [signals],
    tests: ['test/cli/process.test.ts: a run that outlives the drain limit is cut short, and the exit code says so'],
  },
  {
    id: 'E14',
    threat: 'A port in use, unknown settings, bad values',
    behaviour: 'One line that names the setting and what is wrong with it, exit 1, before any model is touched',
    faults: [badConfigurations],
    tests: ['test/integration/life-cycle.test.ts: a start that fails is one clear line and exit 1'],
  },
  {
    id: 'E16',
    threat: 'An exception or a rejection that nobody catches',
    behaviour: 'Logged, counted (`ortlet_uncaught_errors_total`); what is inside is finished, exit 1',
    tests: ['test/integration/life-cycle.test.ts: is logged, what is inside is finished, and the exit code is 1'],
  },
  {
    id: 'E19',
    threat: 'Health that does not say how it is',
    behaviour:
      'Live is 200 as long as the process answers; ready is 503 while models load, the server ends, or a model that must be ready is down. Both are answered without an engine and without a queue',
    faults: [overload],
    tests: [
      'test/integration/health.test.ts: live and startup do not depend on it',
      'test/integration/health.test.ts: before the models have been tried the server lives, is not started and not ready',
      'test/integration/health.test.ts: a server that is shutting down lives and has started, and is not ready',
    ],
  },
];
