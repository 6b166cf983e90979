// Preloaded into a server to see whether the soak would notice: of every request, something is kept for ever.

import { subscribe } from 'node:diagnostics_channel';

const kept: string[] = [];
const bytes = Number(process.env.PLANTED_LEAK_BYTES);

subscribe('http.server.request.start', () => {
  kept.push(Buffer.alloc(bytes, 'x').toString('latin1'));
});
