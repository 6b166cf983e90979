import { seededRandom } from '../../../load/random.ts';
import { doubling, identity, lookup, pair, repositoryOf, sequences, strings } from '../../fixtures/models.ts';
import { writeOnnx } from '../../fixtures/onnx-writer.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { control, infer, keepBusy, multipleOf, ROW } from './clients.ts';

const FULL_CASES = 4000;
const SHORT_CASES = 12;
const AT_ONCE = 2;
const SOUND = [doubling(), lookup(), pair(), sequences(), strings()].map((graph) => writeOnnx(graph));

export const badFiles: Fault = {
  name: 'bad-files',
  kind: 'fuzz',
  promise:
    'model files with flipped bits, changed, cut, doubled and inserted bytes are loaded: each load succeeds or is refused with its reason, no request of another model fails, and the server lives',
  async run({ length, seed, progress }) {
    const cases = length === 'short' ? SHORT_CASES : FULL_CASES;
    const tally = new Tally();
    const random = seededRandom(seed);
    using repository = repositoryOf({ 'other.onnx': identity('float') });
    await using server = await ServerUnderTest.start({
      models: repository.path,
      args: [
        ...['--model-control', 'explicit', '--load-overrides', 'files', '--log-level', 'fatal'],
        ...['--run-limit-ms', '5000', '--load-limit-ms', '10000', '--max-engine-bytes', String(2 ** 30)],
      ],
    });
    const { url } = server;
    const others = new Tally();
    const clients = keepBusy(others, 1, () => infer(url, 'other', ROW), multipleOf(1));
    let loaded = 0;
    let tried = 0;
    const load = async (model: string) => {
      while (tried < cases) {
        const number = tried++;
        const file = Buffer.from(mutate(SOUND[number % SOUND.length]!, random)).toString('base64');
        const { status, body } = await control(url, model, 'load', { config: '{}', 'file:1/model.onnx': file });
        if (status === 200) loaded++;
        const refused = status === 422 && typeof body.error === 'string' && !/onnxruntime_src|\/tmp\//.test(body.error);
        tally.count(status === 200 || refused ? undefined : `file ${number}: ${status}: ${body.error}`);
        progress(tried, cases);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => load(`bad-${i}`)));
    await clients.end();
    tally.count(others.failures === 0 ? undefined : `${others.failures} others failed: ${others.examples[0]}`);
    tally.count(server.running ? undefined : 'the server has ended');
    return tally.outcome(
      `${loaded} of ${cases} files were still models, ${others.failures} of ${others.cases} requests of another one failed`,
      { loaded, others: others.cases },
    );
  },
};

/** One change or two, each of a random kind at a random place. */
function mutate(file: Uint8Array, random: () => number): Uint8Array {
  const below = (limit: number) => Math.floor(random() * limit);
  let bytes = Buffer.from(file);
  for (let changes = 1 + below(2); changes > 0; changes--) {
    const at = below(bytes.length);
    const piece = bytes.subarray(at, at + 1 + below(16));
    const kinds = [
      () => Buffer.concat([bytes.subarray(0, at), Buffer.of(bytes[at]! ^ (1 << below(8))), bytes.subarray(at + 1)]),
      () => Buffer.concat([bytes.subarray(0, at), Buffer.of(below(256)), bytes.subarray(at + 1)]),
      () => bytes.subarray(0, at),
      () => Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]),
      () =>
        Buffer.concat([
          bytes.subarray(0, at),
          Buffer.from(Array.from({ length: 1 + below(8) }, () => below(256))),
          bytes.subarray(at),
        ]),
      () => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + piece.length)]),
    ];
    bytes = Buffer.from(kinds[below(kinds.length)]!());
    if (bytes.length === 0) return bytes;
  }
  return bytes;
}
