// `ortlet tune`: takes its time to find out how a model runs best on this machine, prints it, and keeps it for later starts.

import { accessSync, constants, mkdirSync } from 'node:fs';
import { CoreShare } from '../batching/core-share.ts';
import { SettingsError } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import { busyPolling } from '../execution/busy-polling.ts';
import { coresOf, readCpuLimits, shareLimits } from '../execution/cpu-plan.ts';
import { modelFileOf } from '../model/config.ts';
import { loadModel, type ModelObserver } from '../model/loader.ts';
import { profileKey, writeProfile } from '../model/profile.ts';
import { findSources, type ModelSource } from '../model/source.ts';
import { type Tuning, UNOBSERVED } from '../model/tuning.ts';
import { scanRepository } from '../repository/repository.ts';

const BUDGET = { calibrationMs: 5_000, trialMs: 2_000 };
const BAR_WIDTH = 30;
const SILENT: ModelObserver = {
  ...UNOBSERVED,
  batchExecuted() {},
  batchFailed() {},
  queueChanged() {},
  requestAnswered() {},
  profilePassedOver() {},
};

export async function tune(settings: Settings, name: string | undefined): Promise<number> {
  const source = findSource(settings, name);
  checkWritable(settings.profiles);
  const limits = shareLimits(readCpuLimits(), settings.replicas);
  const cores = coresOf(limits);
  const now = () => performance.now();
  const surroundings = {
    limits,
    cores: new CoreShare(cores, now),
    polling: busyPolling(cores, now),
    profiles: undefined,
    budget: BUDGET,
  };
  process.stderr.write(`Measuring '${source.name}' version ${source.version} on ${cores} core(s), some seconds …\n`);
  const model = await loadModel(source, surroundings, SILENT);
  await model.close();
  const { tuning, batching } = model.facts;
  if (tuning.curve.length === 0) throw new SettingsError(`'${name}' cannot be tuned: ${batching.reason}`);
  process.stdout.write(`${printCurve(tuning)}\n\n${printPlans(tuning)}\n\n`);
  const path = writeProfile(settings.profiles, {
    model: source.name,
    key: await profileKey(source, cores),
    instances: tuning.instances,
    threads: tuning.threads.count,
    curve: [...tuning.curve],
    trials: [...tuning.trials],
  });
  process.stdout.write(
    `Written to ${path}. Starts with \`instances: auto\` use it for this model on machines like this.\n`,
  );
  return 0;
}

/** The newest version of the model, with the plan left open. */
function findSource(settings: Settings, name: string | undefined): ModelSource {
  const folders = scanRepository(settings.models, modelFileOf);
  const names = folders.map((folder) => folder.name);
  const found = folders.find((folder) => folder.name === name);
  if (!name || !found) {
    const what = name ? `no model '${name}' in ${settings.models}` : 'tune takes the name of a model';
    throw new SettingsError(`${what}. Models: ${names.join(', ') || 'none'}`);
  }
  const source = findSources(name, found, settings, undefined).sources.at(-1)!;
  const open = { ...source.config.settings, instances: 'auto', threads: 'auto' } as const;
  return { ...source, config: { ...source.config, settings: open } };
}

/** Before the measuring, not after it. */
function checkWritable(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new SettingsError(`profiles: '${folder}' cannot be written (${code}). --profiles names another folder`);
  }
}

function printCurve({ curve, knee }: Tuning): string {
  const best = Math.max(...curve.map(({ rows, ms }) => rows / ms));
  const lines = curve.map(({ rows, ms }) => {
    const bar = '█'.repeat(Math.max(1, Math.round((BAR_WIDTH * (rows / ms)) / best)));
    const figures = [String(rows), ms.toFixed(2), (ms / rows).toFixed(3), ((1000 * rows) / ms).toFixed(0)];
    return `${figures.map((figure) => figure.padStart(10)).join('')}  ${bar}${rows === knee ? '  ◀ knee' : ''}`;
  });
  const header = ['rows', 'ms', 'ms a row', 'rows/s'].map((title) => title.padStart(10)).join('');
  return [header, ...lines].join('\n');
}

function printPlans({ instances, threads, trials }: Tuning): string {
  const lines = trials.map(
    (trial) =>
      `  ${trial.instances} x ${trial.threads} thread(s)  ${trial.rowsPerSecond.toFixed(0).padStart(8)} rows/s` +
      (trial.instances === instances ? '  ◀ chosen' : ''),
  );
  return [
    'Plans, every engine busy:',
    ...(lines.length > 0 ? lines : [`  ${instances} x ${threads.count} thread(s), the only one`]),
  ].join('\n');
}
