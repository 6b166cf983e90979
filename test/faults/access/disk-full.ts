import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { IsolatedServer, noNamespace } from './surroundings.ts';

/** A disk of 1 MiB, full but for 16 KiB, as the working directory, for temporary files, profiles and the log. */
const FULL_DISK = `
disk=$(mktemp -d)
mount -t tmpfs -o size=1m tmpfs "$disk"
head -c 1032192 /dev/zero > "$disk/filling"
cd "$disk"
export TMPDIR="$disk" ORTLET_PROFILES="$disk/profiles" ORTLET_LOG_LEVEL=debug
exec > "$disk/log"
exec`;

export const diskFull: Fault = {
  name: 'disk-full',
  kind: 'chaos',
  promise:
    'the disk of the working directory, temporary files, profiles and the log is full: the server starts, answers, reloads models, counts the log lines that it drops and ends with 0',
  unavailable: () => noNamespace(['--mount', '--net'], 'ip'),
  async run({ length, progress }) {
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling() });
    const args = ['--model-control', 'explicit'];
    await using server = new IsolatedServer(['--mount'], FULL_DISK, repository.path, args);
    const { sent, failed } = await server.use(length === 'short' ? 10 : 300, true);
    progress(1, 1);
    for (let i = 0; i < sent; i++) tally.count(failed[i]);
    const metrics = await server.beside(process.execPath, '--input-type=module', '--eval', READ_METRICS);
    const dropped = Number(/^ortlet_log_lines_dropped_total (\d+)/m.exec(metrics)?.[1]);
    tally.count(dropped > 0 ? undefined : 'no dropped line was counted');
    const ended = await server.end();
    tally.count(ended === 0 ? undefined : `ended with ${ended}`);
    return tally.outcome(`${failed.length} requests failed (limit 0), ${dropped} log lines dropped`, { dropped });
  },
};

const READ_METRICS = `process.stdout.write(await (await fetch('http://127.0.0.1:8080/metrics')).text());`;
