import { allocating, doubling, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { infer, keepBusy, multipleOf, ROW } from './clients.ts';
import { cgroupObstacle, memoryCgroup } from './memory-cgroup.ts';

/** Small, so that what a killed engine held is free again before the server asks for more: until then the kernel goes on killing. */
const LIMIT_BYTES = 384 * 2 ** 20;
/** Floats that no engine can hold in it. */
const BOMB = 1_000_000_000;

export const engineOom: Fault = {
  name: 'engine-oom',
  kind: 'chaos',
  promise:
    'in a cgroup with a memory limit, runs allocate until the kernel kills their engine: their requests get an error, the model serves whoever else asks, no request of another model fails, and the server lives',
  unavailable: cgroupObstacle,
  async run({ length, progress }) {
    const times = length === 'short' ? 1 : 30;
    const tally = new Tally();
    await using cgroup = memoryCgroup(LIMIT_BYTES);
    using repository = repositoryOf({ 'bomb.onnx': allocating(), 'other.onnx': doubling() });
    await using server = await ServerUnderTest.start({
      models: repository.path,
      by: cgroup.by,
      args: ['--log-level', 'warn'],
    });
    const { url } = server;
    const others = new Tally();
    const clients = keepBusy(others, 4, () => infer(url, 'other', ROW), multipleOf(2));
    for (let i = 0; i < times; i++) {
      const bomb = await infer(url, 'bomb', floats(BOMB + i));
      const refused = bomb.status >= 500 && typeof bomb.body.error === 'string';
      tally.count(refused ? undefined : `a bomb was answered with ${bomb.status}`);
      const { status, body } = await infer(url, 'bomb', floats(i));
      const served = status === 200 && body.outputs?.[0]?.data[0] === i;
      tally.count(served ? undefined : `the next request was answered with ${status}: ${body.error}`);
      progress(i + 1, times);
    }
    await clients.end();
    tally.count(others.failures === 0 ? undefined : `${others.failures} others failed: ${others.examples[0]}`);
    tally.count(server.running ? undefined : 'the server was killed');
    const kills = cgroup.kills();
    tally.count(kills >= times ? undefined : `the kernel killed ${kills} engines only`);
    server.kill();
    await server.exited;
    return tally.outcome(
      `${kills} engines killed by the kernel, ${others.failures} of ${others.cases} requests of the other model failed`,
      { kills, others: others.cases, failedOthers: others.failures },
    );
  },
};

function floats(count: number): readonly object[] {
  return [{ name: 'x', datatype: 'INT64', shape: [1, 1], data: [count] }];
}
