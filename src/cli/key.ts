// `ortlet key`: makes an API key, and the lines by which a server knows it.

import { createHash, randomBytes } from 'node:crypto';
import { environmentName, SettingsError } from '../config/load.ts';
import { API_KEY_NAME, type Settings } from '../config/schema.ts';

/** 256 random bits: nobody tries them out, so a plain hash is as good as a slow one. */
const KEY_BYTES = 32;

export function makeKey(_settings: Settings, name: string | undefined): number {
  if (name === undefined || !API_KEY_NAME.test(name)) {
    throw new SettingsError('key needs a name for whom it is: up to 64 letters, digits, dots, dashes, underscores');
  }
  const key = `ortlet_${randomBytes(KEY_BYTES).toString('base64url')}`;
  const sha256 = createHash('sha256').update(key).digest('hex');
  process.stdout.write(`The key, which is kept nowhere:
  ${key}

The caller sends it with every request:
  Authorization: Bearer ${key}

The server knows it by its hash, in ortlet.yaml:
  apiKeys:
    - { name: ${name}, sha256: ${sha256}, scopes: [infer] }

or in the environment, several with commas between them:
  ${environmentName('apiKeys')}=${name}:${sha256}:infer

Scopes: infer, admin, metrics; in the environment with + between them.
`);
  return 0;
}
