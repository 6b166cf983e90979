// JSON with what the protocol needs beyond it: NaN, Infinity and -Infinity as bare words, 64-bit integers digit by digit.

import type { Datatype } from '../../src/tensor/datatype.ts';

/** Elements separated by commas. */
export function printValues(datatype: Datatype, values: ArrayLike<number | bigint | string>): string {
  return Array.from(values, (value) => {
    if (datatype === 'BYTES') return JSON.stringify(value);
    if (datatype === 'BOOL') return value ? 'true' : 'false';
    return Object.is(value, -0) ? '-0.0' : String(value);
  }).join();
}

/** The bare words become strings; integers that a number cannot hold become bigints. */
export function parseJson(text: string): unknown {
  const quoted = text.replaceAll(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
  return JSON.parse(quoted, exact as (key: string, value: unknown) => unknown);
}

function exact(_key: string, value: unknown, { source = '' }: { readonly source?: string }): unknown {
  return typeof value === 'number' && !Number.isSafeInteger(value) && /^-?[0-9]+$/.test(source)
    ? BigInt(source)
    : value;
}
