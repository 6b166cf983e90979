import { doubling, identity, repositoryOf } from '../../fixtures/models.ts';
import { until } from '../../fixtures/server.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { type Answer, control, infer, keepBusy, metric, multipleOf, ROW } from './clients.ts';

const FULL_SECONDS = 60;
const SHORT_SECONDS = 3;

export const loadStorm: Fault = {
  name: 'load-storm',
  kind: 'chaos',
  promise:
    'one model is loaded, unloaded and asked by many at once: whoever asks gets the right answer or a 503, another model is not touched, and afterwards nothing is left over',
  async run({ length, progress }) {
    const seconds = length === 'short' ? SHORT_SECONDS : FULL_SECONDS;
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling(), 'other.onnx': identity('float') });
    await using server = await ServerUnderTest.start({
      models: repository.path,
      args: ['--model-control', 'explicit', '--log-level', 'warn'],
    });
    const { url } = server;
    let unavailable = 0;
    const rightOrUnavailable = (answer: Answer) => {
      if (answer.status !== 503 || typeof answer.body.error !== 'string') return multipleOf(2)(answer);
      unavailable++;
      return undefined;
    };
    const done = ({ status, body }: Answer) => (status === 200 ? undefined : `${status}: ${body.error}`);
    const clients = [
      keepBusy(tally, 4, () => infer(url, 'm', ROW), rightOrUnavailable),
      keepBusy(tally, 2, () => infer(url, 'other', ROW), multipleOf(1)),
      keepBusy(tally, 2, () => control(url, 'm', 'load'), done),
      keepBusy(tally, 1, () => control(url, 'm', 'unload'), done),
    ];
    for (let second = 0; second < seconds; second++) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      progress(second + 1, seconds);
    }
    await Promise.all(clients.map((client) => client.end()));
    tally.count(done(await control(url, 'm', 'load')));
    tally.count(multipleOf(2)(await infer(url, 'm', ROW)));
    await until(() => server.engines.length === 2);
    for (const gauge of ['ortlet_requests_in_flight', 'ortlet_queue_depth']) {
      const left = await metric(url, gauge);
      tally.count(left === 0 ? undefined : `${gauge} is ${left} when nothing goes on`);
    }
    return tally.outcome(`${unavailable} of ${tally.cases} requests came while it was unloaded`, { unavailable });
  },
};
