// `ortlet config`: the effective settings, as a settings file.

import { stringify } from 'yaml';
import type { Settings } from '../config/schema.ts';

export function printConfig(settings: Settings): number {
  process.stdout.write(stringify(settings));
  return 0;
}
