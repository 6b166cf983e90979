// HTTPS: what is shown, what is asked of clients, and how both are renewed without a connection lost.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCertificates } from '../../src/config/certificates.ts';
import { CertificateFolder, noOpenssl } from '../fixtures/certificates.ts';
import { doubling, repositoryOf } from '../fixtures/models.ts';
import { launch } from '../fixtures/process.ts';
import { serverOf, until } from '../fixtures/server.ts';

const missing = noOpenssl();
if (missing) console.log(`skipped: ${missing}`);

describe.skipIf(missing)('TLS', () => {
  const repository = repositoryOf({ 'm.onnx': doubling() });
  const folder = new CertificateFolder();
  const settings = { tlsCertificate: folder.file('server.pem'), tlsKey: folder.file('server.key') };

  beforeAll(() => {
    for (const name of ['server', 'second', 'clients', 'strangers']) folder.make(name);
    folder.make('caller', 'clients');
    folder.make('stranger', 'strangers');
    folder.seal('second');
    folder.write('text.pem', 'no certificate');
  });
  afterAll(() => {
    repository[Symbol.dispose]();
    folder[Symbol.dispose]();
  });

  const serving = async (more: Record<string, unknown> = {}) => {
    const server = await serverOf(repository.path, { ...settings, ...more });
    const address = await server.app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = server.app.server.address() as AddressInfo;
    return { server, address, port, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  };

  /** Of the certificate that the server shows, whom it is for. */
  const shownBy = async (port: number, options: ConnectionOptions = {}) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
    await once(socket, 'secureConnect');
    const { subject } = socket.getPeerX509Certificate()!;
    socket.destroy();
    return subject;
  };

  /** Status and session of a request on a connection of its own, or of one that resumes a session. */
  const asked = async (port: number, path: string, options: ConnectionOptions = {}) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
    let text = '';
    let session: Buffer | undefined;
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('session', (ticket) => {
      session = ticket;
    });
    await once(socket, 'secureConnect');
    const resumed = socket.isSessionReused();
    socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    await once(socket, 'close');
    return { status: Number(text.slice(9, 12)), text, session, resumed };
  };

  test('the address is https, and a client that trusts the certificate is answered', async () => {
    await using served = await serving();
    expect(served.address).toMatch(/^https:/);
    const status = await new Promise((resolve) => {
      get(`${served.address}/v2/models/m`, { ca: folder.read('server.pem') }, (answer) => resolve(answer.statusCode));
    });
    expect(status).toBe(200);
  });

  test('TLS 1.2 and 1.3 are spoken, what is older is not', async () => {
    await using served = await serving();
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      expect(await shownBy(served.port, { minVersion: version, maxVersion: version })).toBe('CN=server');
    }
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(shownBy(served.port, old)).rejects.toThrow(/protocol version|reset|hang up|disconnected/);
  });

  test('the limits on heads are those of plain HTTP', async () => {
    await using served = await serving();
    const { server } = served.server.app;
    expect([server.headersTimeout, server.requestTimeout, server.maxHeadersCount]).toEqual([20_000, 120_000, 100]);
    const long = await asked(served.port, `/${'x'.repeat(17_000)}`);
    expect(long.text).toMatch(/^HTTP\/1.1 431 /);
  });

  test('renewed, new connections get the new certificate, and open ones go on', async () => {
    await using served = await serving();
    const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
    const overAgent = () =>
      new Promise<boolean>((resolve) => {
        const call = get(`${served.address}/v2/health/live`, { agent }, (answer) =>
          answer.resume().once('end', () => resolve(call.reusedSocket)),
        );
      });
    expect(await overAgent()).toBe(false);
    const first = ['pem', 'key'].map((kind) => folder.read(`server.${kind}`));
    folder.make('server.new');
    for (const kind of ['pem', 'key']) folder.write(`server.${kind}`, folder.read(`server.new.${kind}`));
    expect(await shownBy(served.port)).toBe('CN=server');
    expect(served.server.renewCertificates()).toBe(true);
    expect(await shownBy(served.port)).toBe('CN=server.new');
    expect(await overAgent()).toBe(true);
    agent.destroy();
    folder.write('server.pem', first[0]!);
    expect(() => served.server.renewCertificates()).toThrow('is not the key of the first certificate');
    expect(await shownBy(served.port)).toBe('CN=server.new');
    folder.write('server.key', first[1]!);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'with tlsClientCa, %s callers need a certificate of those authorities, on all but the health routes',
    async (maxVersion) => {
      await using served = await serving({ tlsClientCa: folder.file('clients.pem') });
      const as = (name: string) => ({ maxVersion, cert: folder.read(`${name}.pem`), key: folder.read(`${name}.key`) });
      for (const path of ['/v2/health/live', '/v2/health/ready']) {
        expect((await asked(served.port, path, { maxVersion })).status).toBe(200);
      }
      for (const path of ['/v2/models', '/metrics', '/docs/', '/openapi.json']) {
        const nobody = await asked(served.port, path, { maxVersion });
        expect([path, nobody.status]).toEqual([path, 403]);
        // What a session of before is resumed with is no certificate.
        const again = await asked(served.port, path, { maxVersion, session: nobody.session });
        expect([again.resumed, again.status]).toEqual([true, 403]);
        expect((await asked(served.port, path, as('stranger'))).status).toBe(403);
        expect((await asked(served.port, path, as('caller'))).status).toBe(200);
      }
    },
  );

  test('what cannot be used is one clear line', () => {
    const [cert, key, ca] = ['server.pem', 'server.key', 'clients.pem'].map((name) => folder.file(name));
    const refusal = (tlsCertificate?: string, tlsKey?: string, tlsClientCa?: string) => () =>
      readCertificates({ tlsCertificate, tlsKey, tlsClientCa });
    expect(refusal()()).toBeUndefined();
    expect(refusal(cert, key, ca)()).toMatchObject({ minVersion: 'TLSv1.2' });
    expect(refusal(cert)).toThrow('tlsCertificate needs tlsKey');
    expect(refusal(undefined, key)).toThrow('tlsKey needs tlsCertificate');
    expect(refusal(undefined, undefined, ca)).toThrow('tlsClientCa needs tlsCertificate');
    expect(refusal('/nosuch.pem', key)).toThrow("tlsCertificate '/nosuch.pem' cannot be read (ENOENT)");
    expect(refusal(cert, folder.path)).toThrow('cannot be read (EISDIR)');
    expect(refusal(folder.file('text.pem'), key)).toThrow('holds something else than certificates in PEM form');
    expect(refusal(cert, cert)).toThrow('holds no private key in PEM form');
    expect(refusal(cert, folder.file('second.key.sealed'))).toThrow('needs a passphrase: save it without one');
    expect(refusal(cert, folder.file('second.key'))).toThrow('is not the key of the first certificate in');
    expect(refusal(cert, key, key)).toThrow(`tlsClientCa '${key}' holds something else`);
  });

  describe('as people run it', () => {
    const flags = (certificate: string, key: string) => [
      ...['--port', '0', '--tls-certificate', folder.file(certificate), '--tls-key', folder.file(key)],
    ];

    test.each([['1'], ['2']])('%s replicas end with 1 before a model is touched', async (replicas) => {
      using process = launch(['serve', '/nosuch', '--replicas', replicas, ...flags('server.pem', 'second.key')]);
      expect(await process.exited).toBe(1);
      expect(process.errors()).toMatch(/^ortlet: tlsKey '.*' is not the key of the first certificate in .*\n$/);
      expect(process.lines).toEqual([]);
    });

    test('SIGHUP renews the certificate; one that is no good is logged, and the one of before stays', async () => {
      for (const kind of ['pem', 'key']) folder.write(`live.${kind}`, folder.read(`server.${kind}`));
      using process = launch(['serve', repository.path, ...flags('live.pem', 'live.key')]);
      const { address } = await process.logged('ready');
      const port = Number(new URL(address!).port);
      expect(address).toMatch(/^https:/);
      folder.write('live.pem', folder.read('second.pem'));
      process.child.kill('SIGHUP');
      await process.logged('certificates not renewed: those of before are kept');
      expect(await shownBy(port)).toBe('CN=server');
      folder.write('live.key', folder.read('second.key'));
      process.child.kill('SIGHUP');
      await process.logged('certificates renewed');
      expect(await shownBy(port)).toBe('CN=second');
      const check = (environment: Record<string, string>) =>
        spawnSync(globalThis.process.execPath, ['deploy/healthcheck.mjs', '/v2/health/ready'], {
          env: { ORTLET_PORT: String(port), ...environment },
        }).status;
      expect([check({ ORTLET_TLS_CERTIFICATE: 'live.pem' }), check({})]).toEqual([0, 1]);
      process.child.kill('SIGTERM');
      expect(await process.exited).toBe(0);
    });

    test('SIGHUP rolls replicas onto the new certificate', async () => {
      for (const kind of ['pem', 'key']) folder.write(`live.${kind}`, folder.read(`server.${kind}`));
      using process = launch(['serve', repository.path, '--replicas', '2', ...flags('live.pem', 'live.key')]);
      const { address } = await process.logged('ready');
      const port = Number(new URL(address!).port);
      expect(await shownBy(port)).toBe('CN=server');
      await until(() => process.lines.filter(({ msg }) => msg === 'replica started').length === 2);
      for (const kind of ['pem', 'key']) folder.write(`live.${kind}`, folder.read(`second.${kind}`));
      process.child.kill('SIGHUP');
      await until(() => process.lines.some(({ msg }) => msg === 'replicas rolled'), 40_000);
      for (let i = 0; i < 4; i++) expect(await shownBy(port)).toBe('CN=second');
    }, 60_000);
  });
});
