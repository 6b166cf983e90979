// When a refused client should come back. Pure, with the chance handed in.

/**
 * Whole seconds, at least 1, with up to a quarter more or less so that refused clients do not come back all at once.
 * @param ms expected wait in milliseconds
 * @param chance from 0 up to 1, another one for each client
 */
export function retryAfterSeconds(ms: number, chance: number): number {
  return Math.max(1, Math.round((ms / 1000) * (0.75 + chance / 2)));
}
