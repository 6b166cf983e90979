// When a dead engine is replaced: at once after a lone accident, ever more slowly in a crash loop.

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 30_000;
/** So many deaths in a row without one finished run, and the model is called unavailable. */
export const CRASH_LOOP_AFTER = 5;

/**
 * Delay before the next start, in milliseconds: 0, then 100 doubling up to 30,000.
 * @param deaths deaths in a row since an engine last finished a run, at least 1
 */
export function restartDelayMs(deaths: number): number {
  return deaths <= 1 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (deaths - 2), LONGEST_DELAY_MS);
}
