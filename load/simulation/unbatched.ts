import type { PolicyKind, SimulatedRequest } from './policy.ts';

export const UNBATCHED: PolicyKind = {
  name: 'no batching',
  rule: 'One request a run, first come, first served.',
  create: ({ models }) =>
    models.map(() => {
      const queue: SimulatedRequest[] = [];
      return {
        arrived: (request) => queue.push(request) > 0,
        next: () => (queue.length > 0 ? { requests: [queue.shift()!] } : undefined),
        ended: (requests) => requests,
      };
    }),
};
