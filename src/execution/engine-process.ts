// One engine child seen from the server: spawned, asked, watched, killed.

import { type ChildProcess, spawn } from 'node:child_process';
import { extname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ServingError } from '../errors.ts';
import { giveBack } from '../tensor/memory.ts';
import { NotStartedError } from './executor.ts';
import { encodeFrame, type Frame, FrameReader } from './frames.ts';
import { SharedMemory } from './shared-memory.ts';

interface Waiting {
  readonly id: number;
  resolve(frame: Frame): void;
  reject(error: Error): void;
}

// In development the child runs the same .ts file by type stripping, in dist the compiled .js.
const ENTRY = fileURLToPath(new URL(`./engine${extname(import.meta.url)}`, import.meta.url));

export class EngineProcess {
  /** Settles when the child has gone, with a sentence that says how. */
  readonly exited: Promise<string>;
  #child: ChildProcess;
  /** Not there when the system had no descriptors left for the child. */
  #socket: Duplex | undefined;
  #memory = SharedMemory.create();
  /** In the order of their frames. */
  #waiting: Waiting[] = [];
  #nextId = 1;

  /** @param onLog receives each line that the native library prints @param file handed over as descriptor 4 */
  constructor(onLog: (line: string) => void, file?: number) {
    this.#child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ENTRY], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', file ?? 'ignore', this.#memory?.descriptor ?? 'ignore'],
      env: engineEnvironment(process.env),
    });
    this.#socket = this.#child.stdio?.[3] as Duplex | undefined;
    const reader = new FrameReader((frame) => this.#settle(frame), this.#memory);
    this.#socket?.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      giveBack(chunk);
    });
    this.#socket?.on('error', () => {}); // The child's exit tells the same, with its reason.
    if (this.#child.stderr) createInterface({ input: this.#child.stderr }).on('line', onLog);
    this.exited = new Promise((resolve) => {
      this.#child.once('error', ({ code }: NodeJS.ErrnoException) => resolve(`could not be started (${code})`));
      this.#child.once('exit', (code, signal) =>
        resolve(signal ? `was killed by ${signal}` : `exited with code ${code}`),
      );
    });
    this.exited.then((how) => this.#abandon(how));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /**
   * Sends a frame and waits for its answer.
   * @throws ServingError INFERENCE_FAILED with the runtime's own words as `cause`, ENGINE_FAILED when the child dies first
   * @throws NotStartedError when it dies over an earlier frame, or `at` had passed before it came to this one
   */
  ask(request: Omit<Frame, 'id' | 'elapsedMs' | 'offersMemory'>): Promise<Frame> {
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0;
    // While nothing is on its way, either side has read what was in the memory.
    const isAlone = this.#waiting.length === 0;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ id, resolve, reject });
      const frame = { ...request, id, elapsedMs: 0, offersMemory: isAlone };
      const chunks = encodeFrame(frame, isAlone ? this.#memory : undefined);
      if (chunks.length > 1) this.#socket?.cork();
      for (const chunk of chunks) this.#socket?.write(chunk);
      if (chunks.length > 1) this.#socket?.uncork();
    });
  }

  /** Ends the child at once, whatever it is doing. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #settle(frame: Frame): void {
    const place = this.#waiting.findIndex(({ id }) => id === frame.id);
    const [waiting] = place < 0 ? [] : this.#waiting.splice(place, 1);
    if (!waiting) return;
    if (frame.kind === 'failed') {
      const cause = new Error(frame.text);
      waiting.reject(new ServingError('INFERENCE_FAILED', 'The model could not run these inputs.', { cause }));
    } else if (frame.kind === 'expired') {
      waiting.reject(new NotStartedError('The time to begin the run had passed.'));
    } else waiting.resolve(frame);
  }

  #abandon(how: string): void {
    // Frames are answered in order, so the oldest is the one that was running.
    const [running, ...notStarted] = this.#waiting.splice(0);
    running?.reject(new ServingError('ENGINE_FAILED', `The engine ${how}.`));
    for (const { reject } of notStarted) reject(new NotStartedError(`The engine ${how}.`));
    this.#socket?.destroy();
    this.#memory?.close();
    this.#memory = undefined;
  }
}

function engineEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = Object.entries(environment).filter(([name]) => !name.startsWith('ORTLET_'));
  // Two malloc arenas: engines have few threads, and unused arenas only hold memory. Node's flags are not meant for them.
  return { ...Object.fromEntries(own), ORT_DISABLE_TELEMETRY: '1', MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '' };
}
