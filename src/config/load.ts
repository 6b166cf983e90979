// Where settings come from: flags over what Vertex AI says, where it is asked, over ORTLET_* environment over ortlet.yaml
// over defaults. The only reader of the environment and of the settings file.

import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { SETTING_NAMES, type SettingName, type Settings, settingsSchema } from './schema.ts';

/** A wrong or unknown setting: one line that says where it stands and what was expected. */
export class SettingsError extends Error {}

const SETTINGS_FILE = 'ortlet.yaml';

/** `maxBodyBytes` → `ORTLET_MAX_BODY_BYTES` */
export function environmentName(setting: string): string {
  return `ORTLET_${setting.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** `maxBodyBytes` → `max-body-bytes` */
export function flagName(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export interface SettingsSources {
  readonly flags: Readonly<Partial<Record<SettingName, unknown>>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The settings file's path; undefined: `ortlet.yaml` in the working directory, if there is one. */
  readonly file: string | undefined;
}

/** @throws SettingsError for an unknown name, a wrong value, or a file that is missing or no YAML mapping */
export function loadSettings({ flags, environment, file }: SettingsSources): Settings {
  const own = [readSettingsFile(file), readEnvironment(environment)];
  const { vertex } = Object.assign({}, ...own, flags) as Record<string, unknown>;
  const platform = String(vertex) === 'true' ? readVertex(environment) : {};
  const layers = [...own, platform, flags as Record<string, unknown>];
  const inEnvironment = 'in the environment';
  const origins = [`in ${file ?? SETTINGS_FILE}`, inEnvironment, inEnvironment, 'on the command line'];
  for (const [i, layer] of layers.entries()) {
    for (const name of Object.keys(layer)) {
      if (!(SETTING_NAMES as string[]).includes(name)) {
        throw new SettingsError(`unknown setting '${name}' ${origins[i]}. ${nearest(name)}`);
      }
    }
  }
  const merged = Object.assign({}, ...layers);
  const result = settingsSchema.safeParse(merged);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const name = String(issue?.path[0]);
  const origin = origins[layers.findLastIndex((layer) => name in layer)];
  // What stands in place of a hash may be the key itself.
  const got = name === 'apiKeys' ? '' : `, got ${JSON.stringify(merged[name])}`;
  throw new SettingsError(`setting '${name}' ${origin}: ${issue?.message}${got}`);
}

function readEnvironment(environment: SettingsSources['environment']): Record<string, unknown> {
  const known = new Map(SETTING_NAMES.map((name) => [environmentName(name), name as string]));
  const found: Record<string, unknown> = {};
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('ORTLET_') || value === undefined || variable === environmentName('config')) continue;
    if (isServiceLink(variable, value)) continue;
    found[known.get(variable) ?? variable] = value;
  }
  return found;
}

/** What Vertex AI tells every container; it wins over what an image says for everywhere. */
function readVertex({ AIP_HTTP_PORT, AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE }: SettingsSources['environment']) {
  const told = { port: AIP_HTTP_PORT, vertexHealthRoute: AIP_HEALTH_ROUTE, vertexPredictRoute: AIP_PREDICT_ROUTE };
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined));
}

/** Kubernetes tells every pod of a Service named `ortlet` by variables of these names, ORTLET_PORT=tcp://… among them. */
function isServiceLink(variable: string, value: string): boolean {
  return /^ORTLET_(SERVICE_(HOST|PORT)|PORT_[0-9]+_)/.test(variable) || /^(tcp|udp|sctp):\/\//.test(value);
}

function readSettingsFile(file: string | undefined): Record<string, unknown> {
  const path = file ?? SETTINGS_FILE;
  if (!existsSync(path)) {
    if (file) throw new SettingsError(`the settings file ${file} does not exist`);
    return {};
  }
  const content = readYaml(path);
  const mapping = z.record(z.string(), z.unknown()).safeParse(content ?? {});
  if (!mapping.success) throw new SettingsError(`${path} must be a mapping of setting names to values`);
  return mapping.data;
}

function readYaml(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new SettingsError(`${path} is not valid YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}

/** The name that starts most like the one given. */
function nearest(name: string): string {
  const letters = (text: string) =>
    text
      .replace(/^ORTLET_/, '')
      .replace(/[-_]/g, '')
      .toLowerCase();
  const shared = (known: string) => {
    const [a, b] = [letters(name), letters(known)];
    let length = 0;
    while (length < a.length && a[length] === b[length]) length++;
    return length;
  };
  const best = SETTING_NAMES.toSorted((a, b) => shared(b) - shared(a))[0]!;
  return shared(best) >= 3 ? `Did you mean '${best}'?` : 'See `ortlet --help` for the names.';
}
