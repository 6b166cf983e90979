// docs/conformance.md, written by a run of all models.

import { writeFileSync } from 'node:fs';
import { type Run, reasonOf } from './summary.ts';
import { printOutcome } from './terminal.ts';

const DOCUMENT = new URL('../../docs/conformance.md', import.meta.url);

/** @returns the document's path in the repository */
export function writeDocument(run: Run): string {
  writeFileSync(DOCUMENT, `${render(run)}\n`);
  return 'docs/conformance.md';
}

function render({ versions, seconds, summary }: Run): string {
  const { counts, expected, kept, refusals, apart, unlike } = summary;
  return `# Conformance

<!-- Written by \`npm run conformance -- --write-docs\`. -->

ONNX comes with small models, nearly one for each operator and mode, and with the inputs and outputs that its authors recorded for them. Debian packages them as
\`libonnx-testdata\`. \`npm run conformance\` runs each model twice: with onnxruntime-node alone, in a process of its own, and through a running server, which loads it over
HTTP and is asked once in JSON and once with the binary tensor extension, inputs and outputs alike. Each answer is compared with the recorded outputs: datatype and shape,
then each element, with ONNX's own tolerances for floats (1e-3 of the recorded value and 1e-7; NaN equals NaN) and none for integers, booleans and strings.

**${kept} of ${expected} models that onnxruntime-node runs as recorded match through the server, in JSON and in binary.** One server process served the whole run.

\`\`\`console
$ apt-get install libonnx-testdata
$ npm run conformance
\`\`\`

With onnxruntime-node ${versions.onnxruntime}, ${versions.data} and Node.js ${versions.node}; ${seconds} seconds on ${versions.cores} cores.

${table(
  ['Models', 'Number'],
  counts.map(([what, models]) => [what, String(models)]),
)}

## Refused when loaded

The last column counts those that onnxruntime-node runs by itself.

${table(
  ['Reason', 'Models', 'Run without the server'],
  refusals.map(({ reason, models, bareRuns }) => [reason, String(models), String(bareRuns)]),
)}

## Other than onnxruntime-node alone

${
  apart.length === 0
    ? 'None.'
    : table(
        ['Model', 'Alone', 'JSON', 'Binary'],
        apart.map(({ name, ...outcomes }) => [
          `\`${name}\``,
          ...[outcomes.bare, outcomes.json, outcomes.binary].map(printOutcome),
        ]),
      )
}

## Not as recorded with onnxruntime-node itself

Random numbers, rounding near zero that is beyond the tolerance, and operators on whose meaning ONNX and onnxruntime differ.

${
  unlike.length === 0
    ? 'None.'
    : table(
        ['Model', 'First difference'],
        unlike.map(({ name, bare }) => [`\`${name}\``, reasonOf(bare)]),
      )
}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
