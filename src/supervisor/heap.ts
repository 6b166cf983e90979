// How far V8 lets the heap grow before it marks all of it.

import { setFlagsFromString } from 'node:v8';

/** In percent of what was alive after the last collection; factor 4 is what V8 itself allows a small heap. */
const GROWTH_PERCENT = 300;

/**
 * For a process that moves tensors. V8 counts the memory of buffers as part of a small heap and marks it all again after
 * some ten megabytes, which is a few answers of a megabyte: that took more time than everything else the server did (13 ms
 * an answer, 6 ms with this).
 */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
