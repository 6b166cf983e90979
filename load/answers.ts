// Asks each server the same thing once and compares the floats: a fast wrong answer is worth nothing.

import type { Requests } from './requests.ts';

const TOLERANCE = 1e-5;

/** @returns what is wrong; undefined when both answer every body alike */
export async function compareAnswers(ours: string, theirs: string, requests: Requests): Promise<string | undefined> {
  for (const body of requests.bodies) {
    const [mine, other] = await Promise.all([ask(ours, requests, body), ask(theirs, requests, body)]);
    if (mine.length === 0 || mine.length !== other.length) {
      return `one server answers ${mine.length} floats, the other ${other.length}`;
    }
    for (const [i, value] of mine.entries()) {
      const difference = Math.abs(value - other[i]!);
      if (!(difference <= TOLERANCE)) return `float ${i} differs by ${difference}: ${value} and ${other[i]}`;
    }
  }
  return undefined;
}

async function ask(url: string, { path, headers }: Requests, body: Buffer): Promise<number[]> {
  const response = await fetch(url + path, { method: 'POST', headers, body });
  if (response.status !== 200) throw new Error(`${url}${path} answered ${response.status}: ${await response.text()}`);
  const bytes = await response.arrayBuffer();
  const length = response.headers.get('inference-header-content-length');
  if (length !== null) return [...new Float32Array(bytes.slice(Number(length)))];
  const { outputs } = JSON.parse(Buffer.from(bytes).toString()) as { outputs: { data: number[] }[] };
  return outputs[0]?.data ?? [];
}
