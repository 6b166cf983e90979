// Settings as people read them: rows for --help and for the README's table.

import { environmentName, flagName } from './load.ts';
import { MODEL_SETTINGS, SETTING_NAMES, type Settings, settingsSchema } from './schema.ts';

export interface SettingDescription {
  readonly name: keyof Settings;
  readonly flag: string;
  readonly environment: string;
  readonly defaultValue: string;
  readonly description: string;
  /** Whether a model's config.yaml may override it. */
  readonly perModel: boolean;
}

const defaults = settingsSchema.parse({});

export function describeSettings(): SettingDescription[] {
  return SETTING_NAMES.map((name) => ({
    name,
    flag: `--${flagName(name)}`,
    environment: environmentName(name),
    defaultValue: printSetting(defaults[name]),
    description: settingsSchema.shape[name].description ?? '',
    perModel: name in MODEL_SETTINGS,
  }));
}

/** A setting's value on one line; providers as they are written in the environment. */
function printSetting(value: Settings[keyof Settings]): string {
  if (value === undefined) return 'none';
  if (!Array.isArray(value)) return String(value);
  if (value.length === 0) return 'none';
  return value
    .map((item) =>
      typeof item === 'string' ? item : 'required' in item && item.required ? `${item.name} (required)` : item.name,
    )
    .join(',');
}
