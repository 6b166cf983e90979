// The engine child's entry: takes a frame from file descriptor 3, runs it, writes the answer, takes the next.
// Reads and writes block: an engine has nothing else to do, and a large tensor goes straight into the buffer that its
// typed array is a view on. It ends when the server's end of the socket closes.

import { readSync, writeFileSync, writevSync } from 'node:fs';
import { setPriority } from 'node:os';
import { encodeFrame, type Frame, FrameReader, monotonicMs } from './frames.ts';
import { OnnxSession, type SessionOptions } from './onnx-session.ts';
import { SharedMemory } from './shared-memory.ts';

const SOCKET = 3;
const SHARED_MEMORY = 5;
/** On a saturated machine the server's health, refusals and batching come before the engines' runs. */
const ENGINE_NICENESS = 5;
/** Of -1000 to 1000: where memory runs out, the kernel ends an engine, which is replaced, before the server. */
const OOM_SCORE_ADJUSTMENT = 500;

/** What an answer has where it says nothing else. */
const NOTHING = { elapsedMs: 0, at: 0, text: '', offersMemory: false, tensors: [] };

const sessions = new Map<number, OnnxSession>();
const frames: Frame[] = [];
const memory = SharedMemory.inherited(SHARED_MEMORY);
const reader = new FrameReader((frame) => frames.push(frame), memory);

setPriority(ENGINE_NICENESS);
offerToKernel();
// The terminal sends signals to the whole group; the server decides when engines end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

while (receive()) {
  for (const frame of frames.splice(0)) send(await answer(frame), frame.offersMemory);
}
process.exit(0);

function offerToKernel(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', String(OOM_SCORE_ADJUSTMENT));
  } catch {
    // No Linux, or it is higher already.
  }
}

/** Waits for bytes; false when the server has gone. */
function receive(): boolean {
  try {
    const count = readSync(SOCKET, reader.space());
    reader.received(count);
    return count > 0;
  } catch {
    return false;
  }
}

async function answer(frame: Frame): Promise<Frame> {
  const { session, id } = frame;
  try {
    return frame.kind === 'load' ? await load(frame) : await run(frame);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { ...NOTHING, kind: 'failed', session, id, text };
  }
}

async function load({ session, id, text, tensors }: Frame): Promise<Frame> {
  const startedAt = performance.now();
  const content = tensors[0]?.[1].data as Uint8Array | undefined;
  const loaded = await OnnxSession.load(JSON.parse(text) as SessionOptions, content);
  sessions.set(session, loaded);
  const elapsedMs = performance.now() - startedAt;
  return { ...NOTHING, kind: 'loaded', session, id, elapsedMs, text: JSON.stringify(loaded.description) };
}

async function run({ session, id, at: beginBy, text, tensors }: Frame): Promise<Frame> {
  const target = sessions.get(session);
  if (!target) throw new Error(`session ${session} is not loaded`);
  const at = monotonicMs();
  // Nobody waits for it any more: a frame sent ahead may have stood behind a long run.
  if (at >= beginBy) return { ...NOTHING, kind: 'expired', session, id, at };
  const outputs = await target.run(tensors, text.split(',').map(Number));
  return { ...NOTHING, kind: 'result', session, id, elapsedMs: monotonicMs() - at, at, tensors: outputs };
}

function send(frame: Frame, toMemory: boolean): void {
  let chunks = encodeFrame(frame, toMemory ? memory : undefined);
  while (chunks.length > 0) chunks = dropWritten(chunks, writevSync(SOCKET, chunks));
}

function dropWritten(chunks: Uint8Array[], written: number): Uint8Array[] {
  let rest = written;
  let i = 0;
  while (i < chunks.length && rest >= chunks[i]!.byteLength) rest -= chunks[i++]!.byteLength;
  return rest === 0 ? chunks.slice(i) : [chunks[i]!.subarray(rest), ...chunks.slice(i + 1)];
}
