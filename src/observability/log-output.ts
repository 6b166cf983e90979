// Standard output as a place for log lines, of which nothing that becomes of it can hold up or end the server: a pipe
// that nobody reads, one that is closed, a disk that is full. What cannot be written is dropped, and counted.

import { fstatSync, write, writeSync } from 'node:fs';
import { Socket } from 'node:net';

/** For the last lines to be written in. */
const LAST_LINES_MS = 1000;
/** Bytes that may wait to be written. */
const MOST_WAITING = 1024 ** 2;
const STANDARD_OUTPUT = 1;

/** Calls back when the text is written or cannot be. */
type Destination = (text: string, written: (error?: Error | null) => void) => void;

export class LogOutput {
  /** Lines that were not written, or not wholly. */
  dropped = 0;
  #waiting: string[] = [];
  #waitingLength = 0;
  #writing = 0;
  #broken = false;
  #to: Destination | undefined;

  /** @param to standard output by default, which is taken up with the first line */
  constructor(to?: Destination) {
    this.#to = to;
  }

  write(line: string): void {
    if (this.#waitingLength + line.length > MOST_WAITING) {
      this.dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    if (this.#writing === 0) this.#next();
  }

  #next(): void {
    const lines = this.#take();
    if (lines.length === 0) return;
    this.#writing = lines.length;
    // After what was cut off somewhere, so that the next line is one again.
    this.#to ??= this.#standardOutput();
    this.#to((this.#broken ? '\n' : '') + lines.join(''), (error) => {
      this.#broken = Boolean(error);
      if (error) this.dropped += this.#writing;
      this.#writing = 0;
      this.#next();
    });
  }

  #take(): string[] {
    const lines = this.#waiting;
    this.#waiting = [];
    this.#waitingLength = 0;
    return lines;
  }

  #standardOutput(): Destination {
    process.on('exit', () => this.#writeLast());
    return standardOutput();
  }

  /** What waits when the process ends without waiting for it. */
  #writeLast(): void {
    try {
      if (this.#writing === 0) writeSync(STANDARD_OUTPUT, this.#take().join(''));
    } catch {
      // There is nobody left to tell.
    }
  }
}

/** To be called when nothing is left to do: lines that nobody reads would keep the process. */
export function exitAfterLastLines(code?: number): void {
  setTimeout(() => process.exit(code), LAST_LINES_MS).unref();
}

/** A pipe is written to without blocking; a write to a file blocks a thread of libuv's, which is what it has them for. */
function standardOutput(): Destination {
  const kind = fstatSync(STANDARD_OUTPUT);
  if (!kind.isFIFO() && !kind.isSocket()) return (text, written) => writeAll(Buffer.from(text), written);
  const socket = new Socket({ fd: STANDARD_OUTPUT, readable: false, writable: true });
  socket.on('error', () => {}); // Each write is told of it.
  return (text, written) => void socket.write(text, written);
}

function writeAll(bytes: Uint8Array, written: Parameters<Destination>[1]): void {
  write(STANDARD_OUTPUT, bytes, (error, count) => {
    if (error || count === bytes.length) written(error);
    else writeAll(bytes.subarray(count), written);
  });
}
