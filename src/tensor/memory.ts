// Memory that is needed no more.

/** Detaching a smaller one costs more than collecting it. */
const LEAST_BYTES = 32 * 1024;

/**
 * Frees a large chunk's memory now, where it has its own; the chunk is empty then. Whatever moves megabytes leaves so many chunks
 * behind that collecting them stops the event loop for longer than copying them took.
 */
export function giveBack({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= LEAST_BYTES && byteLength === buffer.byteLength) (buffer as ArrayBuffer).transfer(0);
}
