// One engine with the model loaded, or why not.

import { ServingError } from '../errors.ts';
import type { EngineProcess } from './engine-process.ts';
import { judgeMemory, mebibytes, residentBytesOf } from './memory-budget.ts';
import type { ModelFile } from './model-file.ts';
import type { SessionDescription, SessionOptions } from './onnx-session.ts';

/** The only session of an engine. */
export const SESSION = 1;

export interface LoadingOptions {
  readonly session: SessionOptions;
  /** The model's file where it is not on disk. */
  readonly content?: Uint8Array | undefined;
  /** A load that takes longer is killed. */
  readonly loadLimitMs: number;
  /** An engine that holds more is replaced, or fails its load; undefined: it may hold what it likes. */
  readonly maxEngineBytes?: number | undefined;
}

/** @throws what keeps the model from being loaded; loadFailure() makes it fit to be told */
export async function loadModel(
  engine: EngineProcess,
  { session, content, loadLimitMs }: LoadingOptions,
  file: ModelFile | undefined,
): Promise<SessionDescription> {
  const limit = setTimeout(() => engine.kill(), loadLimitMs);
  try {
    const frame = await engine.ask({
      kind: 'load',
      session: SESSION,
      at: 0,
      text: JSON.stringify({ ...session, modelPath: file?.path } satisfies SessionOptions),
      tensors: content
        ? [[0, { datatype: 'UINT8', shape: [content.length], data: content as Uint8Array<ArrayBuffer> }]]
        : [],
    });
    return JSON.parse(frame.text) as SessionDescription;
  } finally {
    clearTimeout(limit);
  }
}

/** @throws ServingError MODEL_LOAD_FAILED where the budget is less than what the model takes before its first run */
export function checkMemory(engine: EngineProcess, { maxEngineBytes }: LoadingOptions): void {
  const residentBytes = residentBytesOf(engine.pid);
  if (judgeMemory(residentBytes, maxEngineBytes, 0) === 'keep') return;
  const what = `holds ${mebibytes(residentBytes)} with the model loaded`;
  throw new ServingError('MODEL_LOAD_FAILED', `an engine ${what}, and maxEngineBytes is ${mebibytes(maxEngineBytes)}`);
}

/** The runtime's own words, where there are some. */
export function loadFailure(error: unknown): ServingError {
  const { cause } = error as Error;
  const reason = cause instanceof Error ? cause.message : (error as Error).message;
  return new ServingError('MODEL_LOAD_FAILED', reason, { cause: error });
}
