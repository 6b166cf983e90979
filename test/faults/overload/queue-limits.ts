import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { metric, slowModels, slowRequest, startSender } from './pressure.ts';

const QUEUE_REQUESTS = 50;
const QUEUE_BYTES = 4 * 1024 ** 2;
/** Counted twice. */
const BODY_BYTES = 256 * 1024;
/** Some 50 ms a run. */
const STEPS = 1000;
const CONNECTIONS = 100;
const RATE = 200;
const SECONDS = { short: 1, full: 10 };

export const queueLimits: Fault = {
  name: 'queue-limits',
  kind: 'chaos',
  promise:
    'more requests than may wait, small ones and large ones: never more than maxQueueRequests or maxQueueBytes wait, and metrics tell meanwhile',
  async run({ length, progress }) {
    const tally = new Tally();
    using models = slowModels('slow');
    await using server = await ServerUnderTest.start({
      models: models.path,
      args: [
        '--max-queue-requests',
        String(QUEUE_REQUESTS),
        '--max-queue-bytes',
        String(QUEUE_BYTES),
        '--log-level',
        'error',
      ],
    });
    const { url } = server;
    const sender = startSender();
    const most = { small: 0, large: 0 };
    const limits = { small: QUEUE_REQUESTS, large: QUEUE_BYTES / (2 * BODY_BYTES) };
    try {
      for (const size of ['small', 'large'] as const) {
        const requests = [slowRequest(url, 'slow', { steps: STEPS, bytes: size === 'small' ? 4 : BODY_BYTES })];
        const sent = sender.ask({ url, requests, connections: CONNECTIONS, seconds: SECONDS[length], rate: RATE });
        for (let over = false; !over; ) {
          over = await Promise.race([
            sent.then(() => true),
            metric(url, 'ortlet_queue_depth').then((waiting) => {
              most[size] = Math.max(most[size], waiting);
              return false;
            }),
          ]);
        }
        const { samples } = await sent;
        for (const { status } of samples) tally.count([200, 503].includes(status) ? undefined : `status ${status}`);
        tally.count(most[size] > limits[size] ? `${most[size]} ${size} ones waited` : undefined);
        tally.count(samples.some(({ status }) => status === 503) ? undefined : `no ${size} one was refused`);
        progress(size === 'small' ? 1 : 2, 2);
      }
    } finally {
      sender.end();
    }
    const worst = `${most.small} small ones waited at most (limit ${limits.small}), ${most.large} large ones (limit ${limits.large})`;
    return tally.outcome(worst, most);
  },
};
