// A short form of every fault, so that none of what is published breaks unseen.

import { describe, expect, test } from 'vitest';
import { FAULTS } from './catalogue.ts';

const LIMIT_MS = 60_000;

describe.each(FAULTS)('$name', (fault) => {
  test(fault.promise, { timeout: LIMIT_MS }, async ({ skip }) => {
    const why = fault.unavailable?.();
    skip(why !== undefined, why);
    const outcome = await fault.run({ length: 'short', seed: 1, progress: () => {} });
    expect(outcome.examples ?? []).toEqual([]);
    expect(outcome.failures).toBe(0);
    expect(outcome.cases).toBeGreaterThan(0);
  });
});
