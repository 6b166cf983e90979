import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { IsolatedServer, noNetwork } from './surroundings.ts';

export const noNetworkAtAll: Fault = {
  name: 'no-network',
  kind: 'chaos',
  promise: 'there is no network but loopback, no route and no name server: the server starts, answers and ends with 0',
  unavailable: noNetwork,
  async run({ length, progress }) {
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling() });
    const started = performance.now();
    await using server = new IsolatedServer([], 'exec', repository.path, ['--model-control', 'explicit']);
    const { sent, failed } = await server.use(length === 'short' ? 1 : 100, true);
    progress(1, 1);
    for (let i = 0; i < sent; i++) tally.count(failed[i]);
    const ended = await server.end();
    tally.count(ended === 0 ? undefined : `ended with ${ended}`);
    return tally.outcome(`${failed.length} requests failed (limit 0), ${seconds(started)} s from start to end`);
  },
};

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}
