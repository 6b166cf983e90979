// `ortlet openapi`: the API document of a server without models.

import { stringify } from 'yaml';
import { settingsSchema } from '../config/schema.ts';
import { createLogger } from '../observability/logger.ts';
import { createServer } from '../server.ts';

/** Independent of the settings here, so that the checked-in file is everyone's; with every route that a setting adds. */
export async function openapiYaml(): Promise<string> {
  const { app } = await createServer(settingsSchema.parse({ sageMaker: true, vertex: true }), createLogger('silent'));
  await app.ready();
  const document = app.swagger();
  await app.close();
  return stringify(document, { aliasDuplicateObjects: false });
}

export async function printOpenapi(): Promise<number> {
  process.stdout.write(await openapiYaml());
  return 0;
}
