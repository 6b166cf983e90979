// Runs the scenarios round by round. Both servers take turns inside a round, so that a noisy minute of the machine hits
// both, and who goes first changes from round to round.

import { compareAnswers } from './answers.ts';
import type { BareResult } from './bare-loop.ts';
import type { LoadResult, LoadTask } from './generator.ts';
import { MODELS, modelPath } from './models.ts';
import { requestsFor } from './requests.ts';
import type { Scenario } from './scenarios.ts';
import type { Competitor, Stage } from './stage.ts';

export interface Measurement extends LoadResult {
  readonly scenario: string;
  readonly competitor: Competitor;
  readonly round: number;
  /** Requests a second that were sent; undefined in a closed loop. */
  readonly rate: number | undefined;
  /** CPU time of the server and its children by wall time; 1 is one core. */
  readonly serverCpu: number | undefined;
}

export interface BareMeasurement extends BareResult {
  readonly model: string;
  readonly round: number;
}

export interface Outcome {
  readonly measurements: readonly Measurement[];
  readonly bare: readonly BareMeasurement[];
  /** What went wrong, in sentences. */
  readonly faults: readonly string[];
}

export interface RoundOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly scenarios: readonly Scenario[];
  readonly onProgress: (done: number, total: number) => void;
}

const COMPETITORS: readonly Competitor[] = ['handWritten', 'ortlet'];
/** Of each kind of request, before the first round. */
const WARM_UP_SECONDS = 2;
/** Right before a measurement at most, and no longer than that. */
const LONGEST_SETTLING_SECONDS = 1;
const CALIBRATION_CONNECTIONS = 32;
const CALIBRATION_SECONDS = 4;
const OPEN_CONNECTIONS = 64;
/** Of what the hand-written server reaches in a closed loop. */
const OPEN_RATE_SHARE = 0.5;

export async function runRounds(stage: Stage, options: RoundOptions): Promise<Outcome> {
  const { rounds, seconds, scenarios, onProgress } = options;
  const models = MODELS.filter((model) => scenarios.some((scenario) => scenario.model === model));
  const faults = await checkAnswers(stage, scenarios);
  await warmUp(stage, options);
  const rates = await openRates(stage, options);
  const measurements: Measurement[] = [];
  const bare: BareMeasurement[] = [];
  const total = rounds * (scenarios.length * COMPETITORS.length + models.length);
  const progress = () => onProgress(measurements.length + bare.length, total);

  for (let round = 1; round <= rounds; round++) {
    const order = round % 2 === 1 ? COMPETITORS : COMPETITORS.toReversed();
    for (const model of models) {
      const path = modelPath(stage.models, model.name);
      const result = await stage.bareLoop.ask({ model, path, threads: stage.threads, seconds });
      bare.push({ ...result, model: model.name, round });
      progress();
    }
    for (const scenario of scenarios) {
      for (const competitor of order) {
        const rate = scenario.arrival.kind === 'open' ? rates.get(scenario.model.name) : undefined;
        const measurement = { ...(await measure(stage, scenario, competitor, seconds, rate)), round };
        measurements.push(measurement);
        if (measurement.failures > 0) faults.push(describeFailures(measurement));
        progress();
      }
    }
  }
  for (const competitor of COMPETITORS) {
    const { output } = stage.server(competitor);
    if (output) faults.push(`${competitor} printed: ${output}`);
  }
  return { measurements, bare, faults };
}

async function measure(
  stage: Stage,
  scenario: Scenario,
  competitor: Competitor,
  seconds: number,
  rate: number | undefined,
): Promise<Omit<Measurement, 'round'>> {
  const server = stage.server(competitor);
  const { arrival } = scenario;
  const connections = arrival.kind === 'closed' ? arrival.connections : OPEN_CONNECTIONS;
  const task = taskFor(stage, competitor, scenario, connections, rate);
  await stage.generator.ask({ ...task, seconds: Math.min(seconds, LONGEST_SETTLING_SECONDS) });
  const cpuBefore = server.cpuSeconds;
  const startedAt = performance.now();
  const result = await stage.generator.ask({ ...task, seconds });
  const elapsedSeconds = (performance.now() - startedAt) / 1000;
  const cpuAfter = server.cpuSeconds;
  const known = cpuBefore !== undefined && cpuAfter !== undefined;
  const serverCpu = known ? (cpuAfter - cpuBefore) / elapsedSeconds : undefined;
  return { scenario: scenario.name, competitor, rate, ...result, serverCpu };
}

function taskFor(
  stage: Stage,
  competitor: Competitor,
  { model, form }: Scenario,
  connections: number,
  rate?: number,
): Omit<LoadTask, 'seconds'> {
  const { path, headers, bodies } = requestsFor(model, form);
  const { sender } = stage;
  return { url: stage.server(competitor).url + path, headers, bodies, connections, rate, sender };
}

/** Both servers get the same load before anything counts: compiled code is what a server runs on for all but its first seconds. */
async function warmUp(stage: Stage, { scenarios }: RoundOptions): Promise<void> {
  const bodies = new Map(scenarios.map((scenario) => [`${scenario.model.name} ${scenario.form}`, scenario]));
  for (const scenario of bodies.values()) {
    for (const competitor of COMPETITORS) {
      const task = taskFor(stage, competitor, scenario, CALIBRATION_CONNECTIONS);
      await stage.generator.ask({ ...task, seconds: WARM_UP_SECONDS });
    }
  }
}

/** Half of what the hand-written server reaches, for each model with an open loop. */
async function openRates(stage: Stage, { scenarios }: RoundOptions): Promise<Map<string, number>> {
  const rates = new Map<string, number>();
  for (const scenario of scenarios.filter(({ arrival }) => arrival.kind === 'open')) {
    const task = taskFor(stage, 'handWritten', scenario, CALIBRATION_CONNECTIONS);
    const { requestsPerSecond } = await stage.generator.ask({ ...task, seconds: CALIBRATION_SECONDS });
    rates.set(scenario.model.name, Math.max(1, Math.round(requestsPerSecond * OPEN_RATE_SHARE)));
  }
  return rates;
}

async function checkAnswers(stage: Stage, scenarios: readonly Scenario[]): Promise<string[]> {
  const faults: string[] = [];
  const [ours, theirs] = [stage.server('ortlet').url, stage.server('handWritten').url];
  for (const { name, model, form } of scenarios) {
    const fault = await compareAnswers(ours, theirs, requestsFor(model, form)).catch((error: Error) => error.message);
    if (fault) faults.push(`${name}: ${fault}`);
  }
  return faults;
}

function describeFailures({ scenario, competitor, round, failures }: Measurement): string {
  return `${scenario}, ${competitor}, round ${round}: ${failures} requests had no answer of status 200`;
}
