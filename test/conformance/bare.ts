// The reference: every model by onnxruntime-node alone, in a child process that an abort may take with it.

import { TaskProcess } from '../../load/task-process.ts';
import type { Case } from './cases.ts';
import type { Outcome } from './outcome.ts';

const CHILD = new URL('./bare-child.ts', import.meta.url);
const LIMIT_MS = 60_000;

/** One outcome for each case. */
export async function runBare(
  cases: readonly Case[],
  onProgress: (done: number, total: number) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let child = new TaskProcess<Case, Outcome>(CHILD);
  for (const task of cases) {
    const running = child;
    const limit = setTimeout(() => running.end(), LIMIT_MS);
    try {
      outcomes.push(await running.ask(task));
    } catch (error) {
      outcomes.push({ kind: 'failed', reason: (error as Error).message });
      running.end();
      child = new TaskProcess(CHILD);
    }
    clearTimeout(limit);
    onProgress(outcomes.length, cases.length);
  }
  child.end();
  return outcomes;
}
