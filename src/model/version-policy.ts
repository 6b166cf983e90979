// Which versions of a model are loaded: the newest n, all, or those named.

import { z } from 'zod';

export const versionPolicy = z.union([
  z.literal('all'),
  z.strictObject({ latest: z.number().int().min(1) }),
  z.strictObject({ specific: z.array(z.number().int().min(1)).min(1) }),
]);
export type VersionPolicy = z.output<typeof versionPolicy>;

/** The versions that a policy picks, in ascending order. */
export function pickVersions(available: readonly number[], policy: VersionPolicy): number[] {
  const sorted = [...available].sort((a, b) => a - b);
  if (policy === 'all') return sorted;
  if ('latest' in policy) return sorted.slice(-policy.latest);
  return sorted.filter((version) => policy.specific.includes(version));
}
