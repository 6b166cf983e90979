import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { doubling, overflowingDivision, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { Callers, doubles, question } from './callers.ts';

const TICKS_PER_SECOND = 100;
/** Of one core, while nobody asks anything but what kills. */
const CPU_LIMIT_PERCENT = 50;
/** What a caller may be told, and how: that its inputs did it, or that the model has no engine. */
const CLEAN =
  /^(500|503) \{"error":"(The engine was killed by SIGFPE\. It was the second|The model is unavailable: its engines died|Request for model 'killer': version 1 is not at ready state: UNAVAILABLE, its engines died|Request timeout expired while it waited for an engine)/;

export const killerModel: Fault = {
  name: 'killer-model',
  kind: 'chaos',
  promise:
    'every request to a model kills its engine inside onnxruntime (SIGFPE); each is told so with 500, or 503 while there is no engine, other models fail no request, and replacing engines costs ever less',
  unavailable: () => (process.arch === 'x64' ? undefined : 'integer division traps on x86 alone'),
  async run({ length, progress }) {
    const seconds = length === 'short' ? 2 : 60;
    using repository = repositoryOf({
      'a.onnx': doubling(),
      'b.onnx': doubling(),
      'killer.onnx': overflowingDivision(),
    });
    await using server = await ServerUnderTest.start({ models: repository.path });
    const others = new Callers({ url: server.url, clients: 4, ask: doubles(['a', 'b']) });
    const refusals = new Tally();
    const kinds = { 500: 0, 503: 0 };
    let running = true;
    const killers = Array.from({ length: 4 }, async (_, client) => {
      for (let n = 0; running; n++) {
        // No two alike: what has killed two engines is not run again.
        const told = await ask(server.url, [6, 100_000 * (client + 1) + n]);
        if (told.startsWith('500')) kinds[500]++;
        if (told.startsWith('503')) kinds[503]++;
        refusals.count(CLEAN.test(told) ? undefined : `the killer's request was answered ${told.slice(0, 200)}`);
        await delay(10);
      }
    });
    for (let i = 0; i < seconds * 10; i++) {
      await delay(100);
      progress(i, seconds * 10);
    }
    await others.stop();
    // Alone with the loop: what replacing the engines costs by now.
    const [cpu, at] = [cpuSeconds(server), performance.now()];
    await delay(length === 'short' ? 500 : 20_000);
    const percent = (100 * (cpuSeconds(server) - cpu)) / ((performance.now() - at) / 1000);
    running = false;
    await Promise.all(killers);
    const tally = others.tally;
    if (length === 'full') {
      tally.count(percent < CPU_LIMIT_PERCENT ? undefined : `replacing engines took ${percent} % of a core`);
    }
    tally.cases += refusals.cases;
    tally.failures += refusals.failures;
    tally.examples.push(...refusals.examples);
    return tally.outcome(
      `of the killer's requests ${kinds[500]} told 500 and ${kinds[503]} told 503; then ${percent.toFixed(0)} % of a core (limit ${CPU_LIMIT_PERCENT} %)`,
      { told500: kinds[500], told503: kinds[503], others: others.answered - refusals.cases, cpuPercent: percent },
    );
  },
};

/** @returns status and body */
async function ask(url: string, data: readonly number[]): Promise<string> {
  const { path, body } = question('killer', 'INT64', data, []);
  const response = await fetch(`${url}${path}`, { method: 'POST', body });
  return `${response.status} ${await response.text()}`;
}

/** Of the server, its engines, and those engines that have ended. */
function cpuSeconds({ pid, engines }: ServerUnderTest): number {
  // Places after the command's name: user and system time, then those of children that have ended.
  const ticks = [spent(pid, [11, 12, 13, 14]), ...engines.map((engine) => spent(engine, [11, 12]))];
  return ticks.reduce((sum, part) => sum + part, 0) / TICKS_PER_SECOND;
}

function spent(pid: number, fields: readonly number[]): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const values = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.reduce((sum, field) => sum + Number(values[field]), 0);
  } catch {
    return 0; // It has ended meanwhile, and counts with the server's children.
  }
}
