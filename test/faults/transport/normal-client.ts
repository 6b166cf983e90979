// A client that behaves: one small request after the other on one connection, while others do not.

import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '../../../load/connection.ts';

export const INFER_PATH = '/v2/models/m/infer';
const BODY = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }] });
const REQUEST = Buffer.from(
  `POST ${INFER_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
);
const PAUSE_MS = 4;

/**
 * Asks the model `m`, which takes rows of two floats as `x`.
 * @param answered is given each status; 0 where the connection was lost
 * @returns latencies in milliseconds
 */
export async function askUntil(
  server: string,
  over: () => boolean,
  answered: (status: number) => void,
): Promise<number[]> {
  let connection = await Connection.open(new URL(server));
  const times: number[] = [];
  while (!over()) {
    const started = performance.now();
    const status = await connection.send(REQUEST);
    answered(status);
    times.push(performance.now() - started);
    if (status === 0) connection = await Connection.open(new URL(server));
    await delay(PAUSE_MS);
  }
  connection.close();
  return times;
}
