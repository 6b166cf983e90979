import { describe, expect, test } from 'vitest';
import { retryAfterSeconds } from '../../src/http/retry-after.ts';

describe('Retry-After', () => {
  test('is spread by a quarter to either side', () => {
    expect([0, 0.5, 0.999].map((chance) => retryAfterSeconds(40_000, chance))).toEqual([30, 40, 50]);
  });

  test('is whole seconds, one at least', () => {
    expect([0, 1, 400, 1000, 2600].map((ms) => retryAfterSeconds(ms, 0.5))).toEqual([1, 1, 1, 1, 3]);
  });
});
