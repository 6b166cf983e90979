// The command line of the conformance run.

import { parseArgs } from 'node:util';
import { DEBIAN_DATA } from './cases.ts';

export interface Flags {
  readonly help: boolean;
  readonly data: string;
  readonly only: string;
  readonly writeDocs: boolean;
}

export const HELP = `Usage: npm run conformance -- [--data <folder>] [--only <part of a name>] [--write-docs]

Runs ONNX models on the inputs recorded for them, first with onnxruntime-node alone, then through a running server, in
JSON and in binary, and compares each answer with the recorded outputs. Prints a summary and writes
test/conformance/results/latest.json. Ends with 1 when a model that onnxruntime-node runs correctly does not match
through the server in both forms, or when the server ended.

  --data <folder>  Models, each in a folder <name> at any depth: <name>/model.onnx, and beside it
                   test_data_set_<n>/input_<i>.pb and output_<i>.pb.
                   Default: those of Debian's package libonnx-testdata, ${DEBIAN_DATA}
  --only <text>    Only models with this text in their path
  --write-docs     Write docs/conformance.md too; for a run of all models of the Debian package
  --help           This text

Examples:
  npm run conformance
  npm run conformance -- --only float16
  npm run conformance -- --data ~/onnx/backend/test/data`;

/** @throws Error that says what was expected */
export function readFlags(argv: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      data: { type: 'string', default: DEBIAN_DATA },
      only: { type: 'string', default: '' },
      'write-docs': { type: 'boolean', default: false },
    },
  });
  const { help, data, only, 'write-docs': writeDocs } = values;
  if (writeDocs && (only !== '' || data !== DEBIAN_DATA))
    throw new Error('--write-docs is for a run of all models of the Debian package: leave --only and --data out');
  return { help, data, only, writeDocs };
}
