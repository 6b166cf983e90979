// What is read without node:http is what node:http would have read, whatever is sent.

import { createServer, type IncomingMessage } from 'node:http';
import { duplexPair } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PlainRequestReader } from '../../src/http/plain-request.ts';

const MOST = 1000;
/** Of the event loop, for node:http to answer in. */
const MOST_TURNS = 50;

interface Read {
  readonly request: IncomingMessage;
  readonly body: Buffer;
}

/** The only request that node:http finds in the bytes; undefined for none, or more than one, or something left over. */
async function asNodeReads(bytes: Buffer) {
  const read: Read[] = [];
  let refused = false;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      read.push({ request, body: Buffer.concat(chunks) });
      response.end();
    });
  });
  server.on('clientError', () => {
    refused = true;
  });
  const [client, accepted] = duplexPair();
  server.emit('connection', accepted);
  const answered = new Promise<void>((resolve) => {
    let left = MOST_TURNS;
    const wait = () => (refused || --left === 0 ? resolve() : setImmediate(wait));
    client.once('data', () => setImmediate(resolve));
    wait();
  });
  client.write(bytes);
  await answered;
  client.destroy();
  accepted.destroy();
  const [first] = read;
  if (!first || read.length > 1 || refused) return undefined;
  const { method, url, headers } = first.request;
  return { method, url, headers, body: first.body };
}

const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/);
const value = fc.stringMatching(/^[!-~]([ -~]{0,12}[!-~])?$/);
const other = fc.constantFrom(
  ['Connection', 'keep-alive'],
  ['connection', 'close'],
  ['Accept-Encoding', 'gzip'],
  ['Transfer-Encoding', 'chunked'],
  ['Expect', '100-continue'],
  ['Host', 'b'],
  ['Content-Length', '1'],
  ['x_y', 'z'],
  ['X-Request-Id', 'né'],
  [' folded', 'line'],
);
const request = fc
  .record({
    model: fc.stringMatching(/^[a-z0-9._~-]{1,8}$/),
    version: fc.option(fc.nat(20)),
    headers: fc.array(fc.oneof({ weight: 4, arbitrary: fc.tuple(name, value) }, { weight: 1, arbitrary: other }), {
      maxLength: 4,
    }),
    body: fc.uint8Array({ maxLength: 40 }),
    gap: fc.constantFrom(': ', ': ', ': ', ':', ':  ', ' : '),
  })
  .map(({ model, version, headers, body, gap }) => {
    const path = `/v2/models/${model}${version === null ? '' : `/versions/${version}`}/infer`;
    const all = [['Host', 'a'], ['Content-Length', String(body.length)], ...headers];
    const head = [`POST ${path} HTTP/1.1`, ...all.map(([key, text]) => `${key}${gap}${text}`)].join('\r\n');
    return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), body]);
  });

/** Some bytes put in, taken out or changed. */
const damaged = fc
  .tuple(
    request,
    fc.nat(),
    fc.nat(3),
    fc.oneof(fc.constantFrom('\r', '\n', '\r\n', ' ', '\t', ':', '\0', '+'), fc.string({ maxLength: 2 })),
  )
  .map(([bytes, place, removed, text]) => {
    const at = place % bytes.length;
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(text), bytes.subarray(at + removed)]);
  });

let plain = 0;

test('whatever is sent, it is left to node:http, or read as node:http reads it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(request, damaged), async (bytes) => {
      const read = new PlainRequestReader().read(bytes, MOST);
      if (!read) return;
      plain++;
      const { model, version, headers, body } = read;
      const node = await asNodeReads(bytes);
      expect(node).toBeDefined();
      expect(node!.method).toBe('POST');
      expect(node!.url).toBe(`/v2/models/${model}${version === undefined ? '' : `/versions/${version}`}/infer`);
      expect({ 'content-length': String(body.length), ...headers }).toEqual(node!.headers);
      expect(body.equals(node!.body)).toBe(true);
    }),
    { numRuns: 20_000, seed: 2026 },
  );
  // A reader that took nothing would pass.
  expect(plain).toBeGreaterThan(5000);
});

/** The same request with another body, and whatever digits for its length. */
function withBody(bytes: Buffer, body: Uint8Array, digits: string): Buffer {
  const head = bytes.toString('latin1', 0, bytes.indexOf('\r\n\r\n') + 4);
  const renewed = head.replace(/(content-length[ :]*)[0-9]+/i, (_, start) => start + digits);
  return Buffer.concat([Buffer.from(renewed, 'latin1'), body]);
}

test('a reader that knows a head reads as one that does not', () => {
  const bodies = fc.array(
    fc.uint8Array({ maxLength: 120 }).chain((body) => {
      const { length } = body;
      const odd = fc.constantFrom('', '007', '00', '0', `0${length}`, `+${length}`, '99999999', `${length} `, '1e1');
      const digits = fc.oneof({ weight: 4, arbitrary: fc.constant(`${length}`) }, { weight: 1, arbitrary: odd });
      return fc.tuple(fc.constant(body), digits);
    }),
    { minLength: 1, maxLength: 3 },
  );
  fc.assert(
    fc.property(
      fc.array(fc.oneof(request, damaged), { minLength: 1, maxLength: 3 }),
      fc.nat(3),
      bodies,
      (all, again, others) => {
        const reader = new PlainRequestReader();
        const repeated = all[again % all.length]!;
        for (const bytes of [...all, repeated, ...others.map((other) => withBody(repeated, ...other)), repeated]) {
          expect(reader.read(bytes, MOST)).toEqual(new PlainRequestReader().read(bytes, MOST));
        }
      },
    ),
    { numRuns: 5000, seed: 2026 },
  );
});
