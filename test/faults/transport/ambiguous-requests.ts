// Requests that two readers may cut in two places. Each hides a second request where one of the readers sees a body.

import { INFER_PATH } from './normal-client.ts';

export interface AmbiguousRequest {
  readonly name: string;
  readonly text: string;
}

/** The path of what is hidden: asked for it, the server counts an unknown model. */
const HIDDEN = 'GET /v2/models/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n';
const HOST = 'Host: localhost\r\n';
const POST = `POST ${INFER_PATH} HTTP/1.1\r\n`;
const LAST_CHUNK = '0\r\n\r\n';

const CODINGS: readonly (readonly [name: string, line: string])[] = [
  ['chunks', 'Transfer-Encoding: chunked'],
  ['chunks in capitals', 'Transfer-Encoding: CHUNKED'],
  ['an unknown coding', 'Transfer-Encoding: xchunked'],
  ['a coding with a space in it', 'Transfer-Encoding: chun ked'],
  ['a coding behind a tab', 'Transfer-Encoding:\tchunked'],
  ['a coding behind a vertical tab', 'Transfer-Encoding:\x0bchunked'],
  ['a coding before a vertical tab', 'Transfer-Encoding: chunked\x0b'],
  ['a coding in quotes', 'Transfer-Encoding: "chunked"'],
  ['a coding with a parameter', 'Transfer-Encoding: chunked;q=1'],
  ['two codings', 'Transfer-Encoding: identity, chunked'],
  ['chunks that are not last', 'Transfer-Encoding: chunked, identity'],
  ['chunks twice', 'Transfer-Encoding: chunked, chunked'],
  ['two headers of codings', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'],
  ['an empty coding', 'Transfer-Encoding: '],
  ['a list with an empty coding', 'Transfer-Encoding: ,chunked'],
  ['a space before the colon', 'Transfer-Encoding : chunked'],
  ['a tab before the colon', 'Transfer-Encoding\t: chunked'],
  ['a space before the name', ' Transfer-Encoding: chunked'],
  ['a folded coding', 'Transfer-Encoding:\r\n chunked'],
  ['a coding behind a bare line feed', 'A: b\nTransfer-Encoding: chunked'],
  ['a coding behind a bare carriage return', 'A: b\rTransfer-Encoding: chunked'],
  ['a coding behind a zero byte', 'A: b\0\r\nTransfer-Encoding: chunked'],
  ['a zero byte in the coding', 'Transfer-Encoding: chunked\0'],
  ['a byte over 127 in the name', 'Transfer-Encoding\xa0: chunked'],
  ['a coding in another header', 'TE: chunked\r\nTransfer-Encoding: x'],
];

const LENGTHS: readonly (readonly [name: string, line: string])[] = [
  ['two lengths', 'Content-Length: #\r\nContent-Length: 0'],
  ['two lengths in one header', 'Content-Length: #, 0'],
  ['a length with a sign', 'Content-Length: +#'],
  ['a negative length', 'Content-Length: -#'],
  ['a length with a fraction', 'Content-Length: #.0'],
  ['a length in hexadecimal', 'Content-Length: 0x#'],
  ['a length in two parts', 'Content-Length: 0 #'],
  ['an exponent', 'Content-Length: #e0'],
  ['an empty length', 'Content-Length: '],
  ['a length past all numbers', 'Content-Length: 18446744073709551616'],
  ['a zero byte behind the length', 'Content-Length: #\0'],
  ['a folded length', 'Content-Length:\r\n #'],
  ['a space before the colon of the length', 'Content-Length : #'],
  ['a length behind a bare line feed', 'A: b\nContent-Length: #'],
];

const CHUNKS: readonly (readonly [name: string, body: string])[] = [
  ['a chunk size with 0x', `0x0\r\n\r\n`],
  ['a chunk size with a sign', `+0\r\n\r\n`],
  ['a negative chunk size', `-1\r\n\r\n`],
  ['a chunk size past all numbers', `10000000000000000\r\n\r\n`],
  ['a chunk size behind a space', ` 0\r\n\r\n`],
  ['a chunk size before a bare line feed', `0\n\r\n`],
  ['an extension before a bare line feed', `0;a\n\r\n`],
  ['an extension with a bare carriage return', `0;a\rb\r\n\r\n`],
  ['a chunk that is longer than it says', `1\r\nab\r\n0\r\n\r\n`],
  ['a chunk without an end of line', `1\r\na0\r\n\r\n`],
  ['an empty chunk size', `\r\n0\r\n\r\n`],
  ['a trailer with a bare line feed', `0\r\nA: b\n\r\n`],
];

const HOSTS: readonly (readonly [name: string, text: string])[] = [
  ['two hosts', `${POST}${HOST}Host: elsewhere\r\nContent-Length: 0\r\n\r\n`],
  ['a host twice', `${POST}${HOST}${HOST}Content-Length: 0\r\n\r\n`],
  ['no host', `${POST}Content-Length: 0\r\n\r\n`],
  ['bare line feeds alone', `${POST.replace('\r', '')}Host: localhost\nContent-Length: 0\n\n`],
  ['a version that is none', `${POST.replace('1.1', '1.9')}${HOST}Content-Length: 0\r\n\r\n`],
  ['an old version with chunks', `${POST.replace('1.1', '1.0')}${HOST}Transfer-Encoding: chunked\r\n\r\n0x\r\n\r\n`],
];

export const AMBIGUOUS_REQUESTS: readonly AmbiguousRequest[] = [
  // A length that takes all, and chunks that end before what is hidden.
  ...CODINGS.map(([name, line]) => {
    const body = LAST_CHUNK + HIDDEN;
    return {
      name: `a length and ${name}`,
      text: `${POST}${HOST}Content-Length: ${body.length}\r\n${line}\r\n\r\n${body}`,
    };
  }),
  // A chunk that takes all, and a length that ends before what is hidden.
  ...CODINGS.map(([name, line]) => {
    const body = `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n${LAST_CHUNK}`;
    return { name: `${name} and a short length`, text: `${POST}${HOST}${line}\r\nContent-Length: 4\r\n\r\n${body}` };
  }),
  ...LENGTHS.map(([name, line]) => ({
    name,
    text: `${POST}${HOST}${line.replace('#', String(HIDDEN.length))}\r\n\r\n${HIDDEN}`,
  })),
  ...CHUNKS.map(([name, body]) => ({ name, text: `${POST}${HOST}Transfer-Encoding: chunked\r\n\r\n${body}${HIDDEN}` })),
  ...HOSTS.map(([name, text]) => ({ name, text: text + HIDDEN })),
];
