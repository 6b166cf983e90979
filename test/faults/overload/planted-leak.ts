// Preloaded into a server to see whether the soak would notice: `?bytes=` of every request are kept for ever.

import { subscribe } from 'node:diagnostics_channel';

const kept: string[] = [];
const bytes = Number(new URL(import.meta.url).searchParams.get('bytes'));

subscribe('http.server.request.start', () => {
  kept.push(Buffer.alloc(bytes, 'x').toString('latin1'));
});
