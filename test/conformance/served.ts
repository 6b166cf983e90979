// Every model through a running server: added to its folder, loaded over HTTP, asked in both forms, unloaded.

import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, ServerProcess } from '../../load/server-process.ts';
import { readOnnxFile } from '../../src/model/onnx-file.ts';
import { type Case, dataSetsOf, isDataSet, MODEL_FILE } from './cases.ts';
import { errorOf, NoAnswer, post } from './client.ts';
import { readDataSet } from './data-set.ts';
import { binary, type Form, json } from './forms.ts';
import { judge, judgeAll, type Outcome } from './outcome.ts';

export interface ServedOutcome {
  readonly json: Outcome;
  readonly binary: Outcome;
}

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/**
 * One outcome for each case. A model's engine takes its time to start, so a few are under way at once.
 * @throws Error when the server ended
 */
export async function runServed(
  cases: readonly Case[],
  onProgress: (done: number, total: number) => void,
): Promise<ServedOutcome[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ortlet-conformance-'));
  const port = await freePort();
  const options = ['--port', String(port), '--model-control', 'explicit', '--log-level', 'fatal'];
  const server = new ServerProcess('Ortlet', port, [MAIN, 'serve', folder, ...options]);
  const end = async () => {
    await server.end();
    rmSync(folder, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void end().finally(() => process.exit(1)));
  }
  const outcomes: ServedOutcome[] = [];
  let next = 0;
  let done = 0;
  const lane = async () => {
    for (let i = next++; i < cases.length; i = next++) {
      outcomes[i] = await serveCase(server.url, folder, cases[i]!).catch((error: Error) => {
        if (!(error instanceof NoAnswer)) throw error;
        const printed = server.output || 'It printed nothing.';
        throw new Error(`the server gave no answer about ${cases[i]!.name}: ${error.message}. ${printed}`);
      });
      onProgress(++done, cases.length);
    }
  };
  try {
    await server.ready();
    await Promise.all(Array.from({ length: availableParallelism() + 1 }, lane));
    return outcomes;
  } finally {
    await end();
  }
}

async function serveCase(url: string, repository: string, tried: Case): Promise<ServedOutcome> {
  const model = tried.name.replaceAll('/', '.');
  const folder = join(repository, model);
  // The server follows no link out of its folder.
  for (const file of readdirSync(tried.folder).filter((name) => !isDataSet(name)))
    cpSync(join(tried.folder, file), join(folder, file), { recursive: true });
  const control = (action: string) => post(`${url}/v2/repository/models/${encodeURIComponent(model)}/${action}`);
  const loaded = await control('load');
  if (loaded.status !== 200) {
    const reason = errorOf(loaded).replace(`failed to load '${model}', `, '');
    return { json: { kind: 'refused', reason }, binary: { kind: 'refused', reason } };
  }
  const infer = `${url}/v2/models/${encodeURIComponent(model)}/infer`;
  const outcome = { json: await ask(infer, tried, json), binary: await ask(infer, tried, binary) };
  await control('unload');
  rmSync(folder, { recursive: true });
  return outcome;
}

function ask(infer: string, tried: Case, form: Form): Promise<Outcome> {
  const file = readOnnxFile(join(tried.folder, MODEL_FILE));
  return judgeAll(dataSetsOf(tried), async (path) => {
    const dataSet = readDataSet(path, file);
    const answer = await post(infer, form.encode(dataSet.inputs));
    if (answer.status !== 200) return { kind: 'failed', reason: `${answer.status} ${errorOf(answer)}` };
    return judge(dataSet, form.decode(answer));
  });
}
