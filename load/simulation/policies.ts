// The policies that are compared, Ortlet's first.

import { fixedWindow } from './fixed-window.ts';
import { ORTLET } from './ortlet.ts';
import type { PolicyKind } from './policy.ts';
import { TEXT_EMBEDDINGS_INFERENCE } from './text-embeddings-inference.ts';
import { triton } from './triton.ts';
import { UNBATCHED } from './unbatched.ts';

export const POLICIES: readonly PolicyKind[] = [
  ORTLET,
  triton('Triton', { delayMs: 0 }),
  triton('Triton 1 ms', { delayMs: 1 }),
  triton('Triton sizes', { delayMs: 1, preferredSizes: [4, 8, 16, 32] }),
  TEXT_EMBEDDINGS_INFERENCE,
  fixedWindow(10),
  fixedWindow(2),
  UNBATCHED,
];
