#!/usr/bin/env node
// argv → command → exit code.

import { parseArgs } from 'node:util';
import { check } from './cli/check.ts';
import { help } from './cli/help.ts';
import { inspect } from './cli/inspect.ts';
import { makeKey } from './cli/key.ts';
import { printConfig } from './cli/print-config.ts';
import { printOpenapi } from './cli/print-openapi.ts';
import { serve } from './cli/serve.ts';
import { tune } from './cli/tune.ts';
import { printTypes } from './cli/types.ts';
import { flagName, loadSettings, SettingsError } from './config/load.ts';
import { SETTING_NAMES, type Settings } from './config/schema.ts';

const COMMANDS: Record<string, (settings: Settings, path: string | undefined) => Promise<number> | number> = {
  serve,
  check,
  inspect,
  tune,
  openapi: printOpenapi,
  config: printConfig,
  types: printTypes,
  key: makeKey,
};

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseFlags(argv);
    const [name = 'serve', path, ...rest] = positionals;
    if (values.help || name === 'help') return print(help());
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (!command) throw new SettingsError(`unknown command '${name}'. Commands: ${Object.keys(COMMANDS).join(', ')}`);
    if (rest.length > 0) throw new SettingsError(`'${name}' takes one path at most, got ${positionals.length - 1}`);
    const { help: _, config, ...flags } = values as Record<string, unknown>;
    const named = Object.fromEntries(
      SETTING_NAMES.flatMap((s) => (flagName(s) in flags ? [[s, flags[flagName(s)]]] : [])),
    );
    if (path !== undefined && !['inspect', 'tune', 'types', 'key'].includes(name)) named.models = path;
    const file = (config as string | undefined) ?? process.env.ORTLET_CONFIG;
    return await command(loadSettings({ flags: named, environment: process.env, file }), path);
  } catch (error) {
    if (!isNoDefect(error)) throw error;
    process.stderr.write(`ortlet: ${(error as Error).message.replaceAll('\n', ' ')}\n`);
    return 1;
  }
}

function parseFlags(argv: readonly string[]) {
  const settings = SETTING_NAMES.map((name) => [flagName(name), { type: 'string' }] as const);
  return parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      ...(Object.fromEntries(settings) as Record<string, { type: 'string' }>),
      config: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
}

/** The command line, the settings, or what the system says of files and addresses. */
function isNoDefect(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  const isUsers = error instanceof SettingsError || code.startsWith('ERR_PARSE_ARGS') || code === 'NOT_FOUND';
  return isUsers || /^E[A-Z0-9]+$/.test(code);
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
