// A server in Python that Ortlet is compared with: installed into an environment of its own, started for one model.

import { fileURLToPath } from 'node:url';
import { command, install } from '../../test/clients/python.ts';
import { freePort, ServerProcess } from '../server-process.ts';

export interface Peer {
  readonly name: string;
  /** Of its requirements, its environment and, before `_server.py`, its script. */
  readonly id: string;
}

export interface PeerOptions {
  /** Of the ONNX file. */
  readonly model: string;
  /** Where requests come in. */
  readonly path: string;
  readonly threads: number;
}

export const PEERS: readonly Peer[] = [
  { name: 'FastAPI', id: 'fastapi' },
  { name: 'LitServe', id: 'litserve' },
];

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const environment = ({ id }: Peer) => here(`.venv/${id}`);

/** @returns why it cannot be had, or undefined */
export function installPeer(peer: Peer): string | undefined {
  return install(here(`requirements/${peer.id}.txt`), environment(peer));
}

/** @throws Error with what the server printed when it does not come up */
export async function startPeer(peer: Peer, { model, path, threads }: PeerOptions): Promise<ServerProcess> {
  const port = await freePort();
  const flags = ['--model', model, '--path', path, '--port', String(port), '--threads', String(threads)];
  const script = here(`${peer.id}_server.py`);
  const server = new ServerProcess(peer.name, port, [script, ...flags], command('python', environment(peer)));
  try {
    await server.ready();
    return server;
  } catch (error) {
    await server.end();
    throw error;
  }
}
