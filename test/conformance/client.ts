// Requests to the server under test.

import type { Body } from './forms.ts';

export interface Answer extends Body {
  readonly status: number;
}

/** The server is gone, or hangs: the end of the run, for nothing it did not answer can be judged. */
export class NoAnswer extends Error {}

const LIMIT_MS = 120_000;
const LENGTH = 'inference-header-content-length';

/** @throws NoAnswer */
export async function post(url: string, { bytes, headerLength }: Partial<Body> = {}): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: headerLength === undefined ? {} : { [LENGTH]: String(headerLength) },
      body: (bytes as Uint8Array<ArrayBuffer> | undefined) ?? null,
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    const length = response.headers.get(LENGTH);
    return {
      status: response.status,
      bytes: new Uint8Array(await response.arrayBuffer()),
      headerLength: length === null ? undefined : Number(length),
    };
  } catch (error) {
    const { message, cause } = error as Error;
    throw new NoAnswer(cause instanceof Error ? cause.message : message);
  }
}

/** What the server says about a request that it refused. */
export function errorOf({ bytes }: Answer): string {
  return (JSON.parse(Buffer.from(bytes).toString('utf8')) as { error: string }).error;
}
