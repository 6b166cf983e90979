// What a server holds once its garbage is collected. Between collections V8 lets a heap grow to a multiple of what is
// alive, so resident memory alone goes up and down by half. Node's inspector can ask for a collection from outside.

import { once } from 'node:events';
import type { ServerUnderTest } from '../server-under-test.ts';

/** The environment of a server that can be asked. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

/** @param inspector where the server's inspector listens, as `inspectorOf` has found it */
export async function heldBytes(server: ServerUnderTest, inspector: string): Promise<number> {
  const socket = new WebSocket(inspector);
  await once(socket, 'open');
  for (const id of [1, 2]) {
    socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }));
    await once(socket, 'message');
  }
  const closed = once(socket, 'close');
  socket.close();
  await closed;
  return server.residentBytes;
}

/** From what the server has printed when it started. */
export function inspectorOf({ output }: ServerUnderTest): string {
  const [address] = /ws:\/\/\S+/.exec(output) ?? [];
  if (!address) throw new Error(`no inspector: ${output}`);
  return address;
}
