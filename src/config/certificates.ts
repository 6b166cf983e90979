// The certificate that the server shows, and those that it takes from clients: read from the files that settings name,
// checked before anything is done with them.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { SettingsError } from './load.ts';
import type { Settings } from './schema.ts';

/** What node:tls makes a secure context of. */
export interface Certificates {
  /** The server's certificate and those between it and its authority, in PEM form. */
  readonly cert: string;
  readonly key: string;
  /** The authorities of clients' certificates; without them clients need none. */
  readonly ca?: string;
  readonly minVersion: 'TLSv1.2';
}

type CertificateSettings = Pick<Settings, 'tlsCertificate' | 'tlsKey' | 'tlsClientCa'>;
type Name = keyof CertificateSettings;

/**
 * Undefined where the server speaks plain HTTP.
 * @throws SettingsError for a file that is missing, unreadable or something else, and a key that is another certificate's
 */
export function readCertificates(settings: CertificateSettings): Certificates | undefined {
  const { tlsCertificate, tlsKey, tlsClientCa } = settings;
  if (tlsCertificate === undefined && tlsKey === undefined && tlsClientCa === undefined) return undefined;
  if (tlsCertificate === undefined)
    throw new SettingsError(`${tlsKey ? 'tlsKey' : 'tlsClientCa'} needs tlsCertificate`);
  if (tlsKey === undefined) throw new SettingsError('tlsCertificate needs tlsKey');
  const cert = read('tlsCertificate', tlsCertificate);
  const key = read('tlsKey', tlsKey);
  const ca = tlsClientCa === undefined ? undefined : read('tlsClientCa', tlsClientCa);
  const [own] = parseCertificates('tlsCertificate', tlsCertificate, cert);
  if (!own!.checkPrivateKey(parseKey(tlsKey, key))) {
    throw new SettingsError(`tlsKey '${tlsKey}' is not the key of the first certificate in tlsCertificate`);
  }
  if (ca !== undefined) parseCertificates('tlsClientCa', tlsClientCa!, ca);
  const certificates = { cert, key, ...(ca !== undefined && { ca }), minVersion: 'TLSv1.2' } as const;
  try {
    createSecureContext(certificates);
  } catch (error) {
    throw new SettingsError(`tlsCertificate '${tlsCertificate}' cannot be used: ${(error as Error).message}`);
  }
  return certificates;
}

function read(name: Name, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new SettingsError(`${name} '${path}' cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** At least one. */
function parseCertificates(name: Name, path: string, text: string): readonly X509Certificate[] {
  try {
    return (text.match(CERTIFICATE) ?? [text]).map((one) => new X509Certificate(one));
  } catch {
    throw new SettingsError(`${name} '${path}' holds something else than certificates in PEM form`);
  }
}

function parseKey(path: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    const sealed = /\bENCRYPTED\b/.test(text);
    throw new SettingsError(
      `tlsKey '${path}' ${sealed ? 'needs a passphrase: save it without one' : 'holds no private key in PEM form'}`,
    );
  }
}
