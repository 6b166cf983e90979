// Who may call what: client certificates, and API keys with scopes and rates, checked before anything of a request is
// read but its head.
//
//   Authorization: Bearer <key> ──SHA-256──▶ a configured digest? ──▶ the route's scope? ──▶ the key's rate? ──▶ route
//                                   UNAUTHENTICATED        PERMISSION_DENIED       RATE_LIMITED

import { createHash, timingSafeEqual } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ServingError } from '../errors.ts';
import { errorAnswer } from './openapi.ts';
import { TokenBucket } from './token-bucket.ts';

/** `infer`: inference and metadata; `admin`: what changes the server; `metrics`: what it counts, logs and traces. */
export type Scope = 'infer' | 'admin' | 'metrics';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope that the route needs: `infer` where it says nothing, `none` where it is open without a key. */
    scope?: Scope | 'none';
  }
}

export interface ApiKey {
  readonly name: string;
  /** SHA-256 of the key, in hexadecimal. */
  readonly sha256: string;
  readonly scopes: readonly Scope[];
  readonly requestsPerSecond?: number | undefined;
}

interface KnownKey {
  readonly name: string;
  readonly digest: Buffer;
  readonly scopes: ReadonlySet<Scope>;
  readonly bucket: TokenBucket | undefined;
}

const BEARER = /^Bearer +(\S+)$/i;

/** Has every route but the open ones asked for a certificate that the connection's authorities vouch for. */
export function requireClientCertificates(app: FastifyInstance): void {
  app.addHook('onRequest', ({ raw, routeOptions }, _reply, done) => {
    if (routeOptions.config.scope === 'none' || (raw.socket as TLSSocket).authorized) done();
    else done(new ServingError('PERMISSION_DENIED', 'This server asks for a client certificate that it trusts.'));
  });
}

/** Has every route asked for a key, those that come after too; without keys there is nothing to ask. */
export function requireKeys(app: FastifyInstance, keys: readonly ApiKey[], now: () => number): void {
  if (keys.length === 0) return;
  const known = keys.map((key) => know(key, now()));
  app.addHook('onRequest', (request, _reply, done) => {
    const { scope = 'infer' } = request.routeOptions.config;
    if (scope !== 'none') admit(identify(known, request), scope, now());
    done();
  });
  app.addHook('onRoute', ({ config, schema }) => {
    if (!schema || schema.hide) return;
    if (config?.scope === 'none') Object.assign(schema, { security: [] });
    else
      Object.assign(schema.response as object, { 401: errorAnswer(401), 403: errorAnswer(403), 429: errorAnswer(429) });
  });
}

function know({ name, sha256, scopes, requestsPerSecond }: ApiKey, nowMs: number): KnownKey {
  return {
    name,
    digest: Buffer.from(sha256, 'hex'),
    scopes: new Set(scopes),
    bucket: requestsPerSecond === undefined ? undefined : new TokenBucket(requestsPerSecond, nowMs),
  };
}

/** Every key is compared, each in constant time: how long it takes tells nothing. @throws ServingError UNAUTHENTICATED */
function identify(known: readonly KnownKey[], { headers }: FastifyRequest): KnownKey {
  const [, given] = BEARER.exec(headers.authorization ?? '') ?? [];
  if (given === undefined) {
    throw new ServingError(
      'UNAUTHENTICATED',
      'This server asks for a key: send the header `Authorization: Bearer <key>`.',
    );
  }
  const digest = createHash('sha256').update(given).digest();
  let found: KnownKey | undefined;
  for (const key of known) if (timingSafeEqual(key.digest, digest)) found = key;
  if (!found)
    throw new ServingError('UNAUTHENTICATED', 'This key is not known here. Ask the operator for another one.');
  return found;
}

/** @throws ServingError PERMISSION_DENIED or RATE_LIMITED */
function admit({ name, scopes, bucket }: KnownKey, scope: Scope, nowMs: number): void {
  if (!scopes.has(scope)) {
    const has = [...scopes].join(', ');
    throw new ServingError('PERMISSION_DENIED', `This route needs the scope '${scope}'; the key '${name}' has ${has}.`);
  }
  const waitMs = bucket?.take(nowMs) ?? 0;
  if (waitMs > 0) {
    const message = `The key '${name}' has used up its requests per second. Retry after Retry-After.`;
    throw new ServingError('RATE_LIMITED', message, { retryAfterMs: waitMs });
  }
}
