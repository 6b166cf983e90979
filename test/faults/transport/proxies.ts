// nginx and haproxy of the system, each in front of a server and keeping connections to it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../../load/server-process.ts';

const START_LIMIT_MS = 10_000;

export const PROXIES = ['nginx', 'haproxy'] as const;

export interface Proxy {
  readonly port: number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @throws Error with what it printed when it does not come up */
export async function startProxy(name: (typeof PROXIES)[number], serverPort: number): Promise<Proxy> {
  const folder = mkdtempSync(join(tmpdir(), 'ortlet-proxy-'));
  const port = await freePort();
  const file = join(folder, 'configuration');
  writeFileSync(file, name === 'nginx' ? nginx(folder, port, serverPort) : haproxy(port, serverPort));
  const args = name === 'nginx' ? ['-p', folder, '-c', file] : ['-db', '-f', file];
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'exit');
  const dispose = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const limit = performance.now() + START_LIMIT_MS;
  while (performance.now() < limit && child.exitCode === null) {
    const response = await fetch(`http://127.0.0.1:${port}/v2/health/live`).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.ok) return { port, [Symbol.asyncDispose]: dispose };
    await delay(50);
  }
  await dispose();
  throw new Error(`${name} did not come up: ${output}`);
}

function nginx(folder: string, port: number, serverPort: number): string {
  return `daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream ortlet { server 127.0.0.1:${serverPort}; keepalive 1; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://ortlet; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_buffering off; proxy_next_upstream off;
    }
  }
}
`;
}

function haproxy(port: number, serverPort: number): string {
  return `defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
  http-reuse always
frontend front
  bind 127.0.0.1:${port}
  default_backend back
backend back
  server one 127.0.0.1:${serverPort} pool-max-conn 1
`;
}
