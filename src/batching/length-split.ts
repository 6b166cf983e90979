// Which requests of different lengths should share runs. A run costs what its longest member makes of it, so requests in
// order of length are cut into stretches:
//
//   lengths   8 9 9 10 │ 31 32 │ 120 128 128
//   padded to       10 │    32 │         128
//
// The cut that costs least in all is found by dynamic programming (Fang et al., TurboTransformers, PPoPP 2021).

export interface LengthRequest {
  readonly rows: number;
  /** Size of the padded dimension. */
  readonly length: number;
}

export interface SplitLimits {
  /** Rows of one run at most. */
  readonly maxRows: number;
  /** Rows times length of one run at most. */
  readonly maxWork: number;
}

/** Share of a run that may be padding. */
const MOST_PADDING = 0.2;

/**
 * Cuts requests into runs; a request that is over a limit by itself gets a run of its own.
 * @param requests in order of length
 * @param costMs time of a run of so much work (rows times the longest length)
 * @returns where each run ends: indices into `requests`, ascending, the last one is its length
 */
export function cheapestSplit(
  requests: readonly LengthRequest[],
  costMs: (work: number) => number,
  { maxRows, maxWork }: SplitLimits,
): number[] {
  const total = [0];
  const begin = [0];
  for (let end = 1; end <= requests.length; end++) {
    const { length } = requests[end - 1]!;
    let rows = 0;
    let filled = 0;
    total[end] = Number.POSITIVE_INFINITY;
    for (let start = end - 1; start >= 0; start--) {
      const request = requests[start]!;
      rows += request.rows;
      filled += request.rows * request.length;
      const work = rows * length;
      if (start < end - 1 && (rows > maxRows || work > maxWork || filled < (1 - MOST_PADDING) * work)) break;
      const cost = total[start]! + costMs(work);
      if (cost >= total[end]!) continue;
      total[end] = cost;
      begin[end] = start;
    }
  }
  const ends: number[] = [];
  for (let end = requests.length; end > 0; end = begin[end]!) ends.unshift(end);
  return ends;
}
