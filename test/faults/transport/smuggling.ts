import { doubling, repositoryOf } from '../../fixtures/models.ts';
import { type Fault, Tally } from '../fault.ts';
import { missingProgram } from '../programs.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { AMBIGUOUS_REQUESTS } from './ambiguous-requests.ts';
import { PROXIES, startProxy } from './proxies.ts';
import { sendRaw } from './raw-client.ts';

/** A proxy may wait for the rest of what it takes for a body. */
const PROXY_LIMIT_MS = 1000;
const NEXT = 'GET /v2/models/m HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
/** What the server answers, and counts, when it is asked for what is hidden. */
const HIDDEN_ANSWER = /unknown model: 'hidden'/g;

export const smuggling: Fault = {
  name: 'smuggling',
  kind: 'fuzz',
  promise:
    'requests that two readers may cut in two places are refused, and behind nginx and haproxy none reaches the server that its sender is not answered for',
  unavailable: () => missingProgram(...PROXIES),
  async run({ length, progress }) {
    const tally = new Tally();
    using repository = repositoryOf({ 'm.onnx': doubling() });
    await using server = await ServerUnderTest.start({ models: repository.path, args: ['--log-level', 'error'] });
    const requests = length === 'short' ? AMBIGUOUS_REQUESTS.filter((_, i) => i % 8 === 0) : AMBIGUOUS_REQUESTS;
    const ways = 1 + PROXIES.length;
    let reached = 0;
    let before = await hiddenAnswers(server.url);
    for (const [i, { name, text }] of requests.entries()) {
      const answer = await sendRaw(server.port, text);
      const now = await hiddenAnswers(server.url);
      reached += now - before;
      const fault = `${name}: ${now === before ? `${answer.status}, ${answer.closed ? '' : 'not '}closed` : 'served'}`;
      tally.count(now === before && answer.status === 400 && answer.closed ? undefined : fault);
      before = now;
      progress(i + 1, ways * requests.length);
    }
    for (const [way, proxyName] of PROXIES.entries()) {
      await using proxy = await startProxy(proxyName, server.port);
      for (const [i, { name, text }] of requests.entries()) {
        const answer = await sendRaw(proxy.port, text, { limitMs: PROXY_LIMIT_MS });
        // Whoever comes next through the proxy must get his own answer.
        const next = await sendRaw(proxy.port, NEXT);
        const own = next.text.includes('"name":"m"');
        const now = await hiddenAnswers(server.url);
        const answered = answer.text.match(HIDDEN_ANSWER)?.length ?? 0;
        const unanswered = Math.max(0, now - before - answered);
        reached += unanswered;
        const what = own
          ? `${unanswered} requests that nobody was answered for`
          : `the next client got ${next.status} after ${next.ms.toFixed(0)} ms`;
        tally.count(own && unanswered === 0 ? undefined : `${name}, through ${proxyName}: ${what}`);
        before = now;
        progress((way + 1) * requests.length + i + 1, ways * requests.length);
      }
    }
    return tally.outcome(`${requests.length} requests, ${reached} smuggled`, { requests: requests.length, reached });
  },
};

async function hiddenAnswers(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^ortlet_error_responses_total\{code="MODEL_NOT_FOUND"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
}
