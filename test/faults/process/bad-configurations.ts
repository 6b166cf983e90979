import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { MAIN } from '../../fixtures/process.ts';
import { type Fault, Tally } from '../fault.ts';

const LIMIT_MS = 30_000;
const KEY = `ci:${'0'.repeat(64)}:infer`;

interface Case {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What the settings file says. */
  readonly file?: string;
  /** What the line must name. */
  readonly names: string;
}

const CASES: readonly Case[] = [
  { args: ['--prot', '1'], names: '--prot' },
  { args: ['--port', '70000'], names: 'port' },
  { file: 'prot: 1', names: 'prot' },
  { env: { ORTLET_DRAIN_TIMEOUT_MS: 'soon' }, names: 'drainTimeoutMs' },
  { args: ['--port', 'IN USE'], names: 'EADDRINUSE' },
  { args: ['--port', '-1'], names: '--port' },
  { args: ['--port=-1'], names: 'port' },
  { args: ['--port', '8.5'], names: 'port' },
  { args: ['--host', ''], names: 'host' },
  { args: ['--host', '203.0.113.1'], names: 'EADDRNOTAVAIL' },
  { args: ['--models', '/nosuch'], names: '/nosuch' },
  { args: ['--config', '/nosuch.yaml'], names: '/nosuch.yaml' },
  { args: ['--max-batch-size', '0'], names: 'maxBatchSize' },
  { args: ['--max-body-bytes', '1'], names: 'maxBodyBytes' },
  { args: ['--threads', 'many'], names: 'threads' },
  { args: ['--instances', '1000'], names: 'instances' },
  { args: ['--replicas', '0'], names: 'replicas' },
  { args: ['--replicas', '2', '--model-control', 'explicit'], names: 'modelControl' },
  { args: ['--model-control', 'sometimes'], names: 'modelControl' },
  { args: ['--log-level', 'loud'], names: 'logLevel' },
  { args: ['--api-keys', 'ci:nothex:infer'], names: 'apiKeys' },
  { args: ['--api-keys', `${KEY},${KEY}`], names: 'apiKeys' },
  { args: ['--ready-models', ''], names: 'readyModels' },
  { args: ['--vertex', 'perhaps'], names: 'vertex' },
  { args: ['serve', 'a', 'b'], names: "'serve' takes one path" },
  { args: ['fly'], names: "unknown command 'fly'" },
  { env: { ORTLET_PORT: 'http' }, names: 'port' },
  { file: 'port: { number: 8080 }', names: 'port' },
  { file: 'port: {', names: 'settings' },
  { file: '- port', names: 'settings' },
];

export const badConfigurations: Fault = {
  name: 'bad-configurations',
  kind: 'chaos',
  promise:
    'the server is started with an unknown, malformed or impossible setting, on the command line, in the environment or in a file; it says so in one line that names it, touches no model, and ends with 1',
  async run({ length, progress }) {
    const cases = length === 'short' ? CASES.slice(0, 5) : CASES;
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling() });
    using settings = repositoryOf({});
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const taken = String((other.address() as { port: number }).port);
    try {
      for (const [i, { args = [], env = {}, file, names }] of cases.entries()) {
        if (file !== undefined) settings.add('settings.yaml', file);
        const config = file !== undefined && { ORTLET_CONFIG: `${settings.path}/settings.yaml` };
        const flags = args.map((arg) => (arg === 'IN USE' ? taken : arg));
        tally.count(await judge(flags, { ORTLET_MODELS: repository.path, ...config, ...env }, names));
        progress(i + 1, cases.length);
      }
    } finally {
      other.close();
    }
    return tally.outcome('each one line and exit 1, before any model is touched');
  },
};

async function judge(args: readonly string[], env: Readonly<Record<string, string>>, names: string) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ...env },
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const [output, errors] = [child.stdout, child.stderr].map((stream) => stream.setEncoding('utf8').toArray());
  const [code, signal] = await once(child, 'close');
  const log = (await output!).join('');
  const said = (await errors!).join('');
  const wrong = [
    code !== 1 && `ended with ${signal ?? code}`,
    !/^ortlet: [^\n]+\n$/.test(said) && 'not one line',
    !said.includes(names) && `does not name ${names}`,
    log.includes('"model state"') && 'a model was touched',
  ].filter(Boolean);
  return wrong.length > 0
    ? `${args.join(' ')} ${JSON.stringify(env)}: ${wrong.join(', ')}: ${said.slice(0, 200)}`
    : undefined;
}
