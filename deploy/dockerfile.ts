// Reads the instructions of the Dockerfile, as far as ours goes, so that a proof can follow them and a test check them.
// Run by itself it prints them for a shell: one a line, its words separated by tabs.

import { readFileSync } from 'node:fs';

export interface Instruction {
  /** FROM, RUN, COPY … */
  readonly name: string;
  /** The whole argument, continued lines joined. */
  readonly text: string;
  /** The argument's words; those of a JSON array where it is in exec form. */
  readonly words: readonly string[];
}

export function parseDockerfile(source: string): Instruction[] {
  const lines = source.split('\n').filter((line) => !line.trimStart().startsWith('#'));
  return lines
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name, text] = /^(\w+)\s+(.*)$/.exec(line)!;
      return { name: name!, text: text!, words: wordsOf(text!) };
    });
}

/** The argument of the last instruction of a name: the one that counts. */
export function lastOf(instructions: readonly Instruction[], name: string): Instruction | undefined {
  return instructions.findLast((instruction) => instruction.name === name);
}

function wordsOf(text: string): string[] {
  const array = /\[.*\]$/.exec(text);
  return array ? (JSON.parse(array[0]) as string[]) : text.split(/\s+/);
}

if (import.meta.main) {
  const [path = 'Dockerfile'] = process.argv.slice(2);
  for (const { name, text, words } of parseDockerfile(readFileSync(path, 'utf8'))) {
    const fields = name === 'RUN' || name === 'LABEL' ? [text] : words;
    process.stdout.write(`${[name, ...fields].join('\t')}\n`);
  }
}
