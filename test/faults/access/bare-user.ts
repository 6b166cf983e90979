import { spawnSync } from 'node:child_process';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { MAIN } from '../../fixtures/process.ts';
import { type Fault, Tally } from '../fault.ts';
import { IsolatedServer, noNamespace } from './surroundings.ts';

/** A user that no file knows, without rights, groups and variables. */
const NOBODY = 'setpriv --reuid=54321 --regid=54322 --clear-groups --no-new-privs --bounding-set=-all env -i';
/** Nothing can be written anywhere but to devices. */
const READ_ONLY = `
awk '$2 !~ "^/(proc|sys|dev)(/|$)" { print $2 }' /proc/self/mounts | while read -r mount; do
  mount -o remount,bind,ro "$mount" 2>/dev/null || true
done
cd /
if touch /tmp/written 2>/dev/null; then echo 'still writable' >&2; exit 1; fi
exec ${NOBODY}`;

export const bareUser: Fault = {
  name: 'bare-user',
  kind: 'chaos',
  promise:
    'the root is read-only, /tmp too, the user is one that no file knows, without a home and without any environment: the server starts, answers and ends with 0',
  unavailable: () =>
    noNamespace(['--mount', '--net'], 'ip', 'setpriv', 'awk') ??
    (spawnSync('sh', ['-c', `${NOBODY} ${process.execPath} --check ${MAIN}`]).status === 0
      ? undefined
      : 'the checkout is not readable for everybody'),
  async run({ length, progress }) {
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling() });
    spawnSync('chmod', ['-R', 'a+rX', repository.path]);
    const args = ['--model-control', 'explicit'];
    await using server = new IsolatedServer(['--mount'], READ_ONLY, repository.path, args);
    const { sent, failed } = await server.use(length === 'short' ? 1 : 100, true);
    progress(1, 1);
    for (let i = 0; i < sent; i++) tally.count(failed[i]);
    const ended = await server.end();
    tally.count(ended === 0 ? undefined : `ended with ${ended}`);
    return tally.outcome(`${failed.length} requests failed (limit 0)`);
  },
};
