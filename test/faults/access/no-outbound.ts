import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { IsolatedServer, noNetwork } from './surroundings.ts';

const TIMES = { short: 1, full: 100 };
/** A way out of the machine that leads nowhere and counts; IPv6 would announce itself there unasked. */
const WAY_OUT = `
for file in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > "$file"; done
ip link add out type veth peer name wire
ip address add 198.51.100.1/24 dev out
ip link set out up && ip link set wire up
ip neighbour add 198.51.100.254 lladdr 02:00:00:00:00:01 dev out
ip route add default via 198.51.100.254`;
/** What proves that packets would be counted. */
const ONE_PACKET = `
const socket = (await import('node:dgram')).createSocket('udp4');
socket.send('x', 9, '203.0.113.1', () => socket.close());`;

export const noOutbound: Fault = {
  name: 'no-outbound',
  kind: 'chaos',
  promise:
    'a server with a network of its own is started, used by every kind of route, reloaded and ended: no packet leaves, and no process of it connects to anything but Unix sockets',
  unavailable: noNetwork,
  async run({ length, progress }) {
    const tally = new Tally();
    const folder = mkdtempSync(join(tmpdir(), 'ortlet-outbound-'));
    const trace = join(folder, 'connects');
    using repository = repositoryOf({ 'm.onnx': doubling() });
    const prepare = `${WAY_OUT}\nexec strace --daemonize --follow-forks --quiet=all -e trace=connect,sendto,sendmsg -o ${trace}`;
    await using server = new IsolatedServer([], prepare, repository.path, ['--model-control', 'explicit']);
    try {
      const { sent, failed } = await server.use(TIMES[length], true);
      for (let i = 0; i < sent; i++) tally.count(failed[i]);
      progress(1, 2);
      const packets = await packetsOut(server);
      tally.count(packets === 0 ? undefined : `${packets} packets left`);
      await server.beside(process.execPath, '--input-type=module', '--eval', ONE_PACKET);
      const proof = await packetsOut(server);
      tally.count(proof > packets ? undefined : 'a packet sent on purpose was not counted');
      const ended = await server.end();
      tally.count(ended === 0 ? undefined : `ended with ${ended}`);
      const outside = readFileSync(trace, 'utf8')
        .split('\n')
        .filter((line) => line.includes('sa_family=') && !line.includes('AF_UNIX'));
      tally.count(outside.length === 0 ? undefined : outside[0]);
      const worst = `${packets} packets out, ${outside.length} connects to other than Unix sockets (limit 0)`;
      return tally.outcome(worst, { packets, connects: outside.length });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};

async function packetsOut(server: IsolatedServer): Promise<number> {
  const [device] = JSON.parse(await server.beside('ip', '-s', '-j', 'link', 'show', 'out'));
  return device.stats64.tx.packets;
}
