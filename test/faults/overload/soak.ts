// Everything at once for a long time: whether memory, descriptors, handles or latencies creep up; and whether a leak that
// was planted would have been noticed.

import { type Fault, Tally, type Trial } from '../fault.ts';
import { observeSoak, type Soak, type SoakForm } from './soak-observation.ts';

/** Over before memory has settled, so that only a large leak shows; and too few samples for an interval. */
const SHORT: SoakForm = { warmUpSeconds: 1.5, seconds: 3, windowSeconds: 0.25, reloadEveryMs: 500 };
const HALF_AN_HOUR: SoakForm = { warmUpSeconds: 10 * 60, seconds: 20 * 60, windowSeconds: 15, reloadEveryMs: 30_000 };
const TWELVE_MINUTES: SoakForm = { ...HALF_AN_HOUR, warmUpSeconds: 4 * 60, seconds: 8 * 60 };

/** Memory may grow by so many MB an hour: the interval of a slope must not lie above. */
const LIMITS = {
  short: { heap: 20_000, resident: 20_000, engines: 200_000 },
  full: { heap: 1, resident: 50, engines: 50 },
};
type Memory = keyof (typeof LIMITS)['full'];
const MEMORIES: readonly Memory[] = ['heap', 'resident', 'engines'];
/** What the planted leak keeps of every request. */
const LEAK_BYTES = { short: 400_000, full: 256 };
const LATENCY_RATIO = 2;

export const soak: Fault = {
  name: 'soak',
  kind: 'chaos',
  promise:
    'half an hour of mixed load with errors, aborts, large bodies, scrapes and reloads: memory, descriptors, handles and p99 stay',
  async run(trial) {
    const tally = new Tally();
    const seen = await observeSoak(trial.length === 'short' ? SHORT : HALF_AN_HOUR, trial, tally);
    for (const memory of MEMORIES) tally.count(grows(seen, memory, trial) ? tell(seen, memory, trial) : undefined);
    for (const [what, { before, after }] of Object.entries(seen.atRest)) {
      tally.count(after > before ? `${what} at rest: ${before} after the warm-up, ${after} at the end` : undefined);
    }
    const ratio = seen.p99Ms.last / seen.p99Ms.first;
    if (trial.length === 'full') tally.count(ratio > LATENCY_RATIO ? `p99 grew ${ratio.toFixed(1)} fold` : undefined);
    const rest = Object.entries(seen.atRest).map(([what, { before, after }]) => `${what} at rest ${before} → ${after}`);
    const p99 = `p99 ${seen.p99Ms.first.toFixed(1)} → ${seen.p99Ms.last.toFixed(1)} ms`;
    const memory = MEMORIES.map((memory) => tell(seen, memory, trial));
    return tally.outcome([...memory, ...rest, p99].join('; '), { ...figures(seen), p99Ratio: ratio });
  },
};

export const soakPlantedLeak: Fault = {
  name: 'soak-planted-leak',
  kind: 'chaos',
  promise: `the same for twelve minutes, with a server that keeps ${LEAK_BYTES.full} bytes of every request: the soak says that its memory grows`,
  async run(trial) {
    const tally = new Tally();
    const form = trial.length === 'short' ? SHORT : TWELVE_MINUTES;
    const seen = await observeSoak(form, trial, tally, LEAK_BYTES[trial.length]);
    const memories = ['heap', 'resident'] as const;
    const memory = memories.map((memory) => tell(seen, memory, trial)).join('; ');
    tally.count(memories.some((memory) => grows(seen, memory, trial)) ? undefined : `the leak was not seen: ${memory}`);
    return tally.outcome(memory, figures(seen));
  },
};

/** A short one has too few samples for an interval: there the line itself counts. */
function grows(seen: Soak, memory: Memory, { length }: Trial): boolean {
  const { slope, low } = seen[memory];
  return (length === 'short' ? slope : low) > LIMITS[length][memory];
}

function tell(seen: Soak, memory: Memory, { length }: Trial): string {
  const { slope, low, high } = seen[memory];
  const [line, from, to] = [slope, low, high].map((value) => value.toFixed(1));
  return `${memory} ${line} MB/h (95 %: ${from} to ${to}, limit ${LIMITS[length][memory]})`;
}

function figures(seen: Soak): Record<string, number> {
  const named = (memory: Memory) => Object.entries(seen[memory]).map(([name, value]) => [`${memory} ${name}`, value]);
  // What is infinite has no place in JSON.
  const finite = MEMORIES.flatMap(named).filter(([, value]) => Number.isFinite(value));
  return { ...Object.fromEntries(finite), requestsPerSecond: seen.rate };
}
