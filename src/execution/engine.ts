// The engine child's entry: frames come in on file descriptor 3, runs happen one after the other, answers go back.
// It ends when the server's end of the socket closes.

import { Socket } from 'node:net';
import { setPriority } from 'node:os';
import { encodeFrame, type Frame, FrameReader } from './frames.ts';
import { OnnxSession, type SessionOptions } from './onnx-session.ts';

/** On a saturated machine the server's health, refusals and batching come before the engines' runs. */
const ENGINE_NICENESS = 5;

const sessions = new Map<number, OnnxSession>();
const socket = new Socket({
  fd: 3,
  onread: {
    buffer: Buffer.allocUnsafeSlow(256 * 1024),
    callback: (bytesRead, buffer) => {
      reader.push(buffer.subarray(0, bytesRead));
      return true;
    },
  },
});
let queue = Promise.resolve();
const reader = new FrameReader((frame) => {
  queue = queue.then(() => answer(frame));
});

setPriority(ENGINE_NICENESS);
process.on('SIGINT', () => {}); // The terminal sends it to the whole group; the server decides when engines end.
process.on('SIGTERM', () => {});
socket.on('close', () => process.exit(0));
socket.on('end', () => process.exit(0));
socket.on('error', () => process.exit(0));

async function answer(frame: Frame): Promise<void> {
  try {
    send(frame.kind === 'load' ? await load(frame) : await run(frame));
  } catch (error) {
    send({
      ...frame,
      kind: 'failed',
      elapsedMs: 0,
      text: error instanceof Error ? error.message : String(error),
      tensors: [],
    });
  }
}

async function load({ session, id, text }: Frame): Promise<Frame> {
  const startedAt = performance.now();
  const loaded = await OnnxSession.load(JSON.parse(text) as SessionOptions);
  sessions.set(session, loaded);
  const elapsedMs = performance.now() - startedAt;
  return { kind: 'loaded', session, id, elapsedMs, text: JSON.stringify(loaded.description), tensors: [] };
}

async function run({ session, id, text, tensors }: Frame): Promise<Frame> {
  const target = sessions.get(session);
  if (!target) throw new Error(`session ${session} is not loaded`);
  const startedAt = performance.now();
  const outputs = await target.run(tensors, text.split(',').map(Number));
  return { kind: 'result', session, id, elapsedMs: performance.now() - startedAt, text: '', tensors: outputs };
}

function send(frame: Frame): void {
  socket.cork();
  for (const chunk of encodeFrame(frame)) socket.write(chunk);
  socket.uncork();
}
