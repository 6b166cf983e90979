// The container's health check: exit code 0 when a health route of the server answers 200 in time, else 1.
// Usage: node healthcheck.mjs [path], by default /v2/health/live; the port is ORTLET_PORT's. Nothing to install.
// With ORTLET_TLS_CERTIFICATE it asks by HTTPS; whose certificate it is does not matter on the way to oneself.

import * as http from 'node:http';
import * as https from 'node:https';

const path = process.argv[2] ?? '/v2/health/live';
const port = process.env.ORTLET_PORT ?? '8080';

function fail(why) {
  process.stderr.write(`${path} on port ${port}: ${why}\n`);
  process.exit(1);
}

const { get } = process.env.ORTLET_TLS_CERTIFICATE ? https : http;

get({ host: '127.0.0.1', port, path, timeout: 2000, rejectUnauthorized: false }, (response) => {
  if (response.statusCode === 200) process.exit(0);
  fail(`answered ${response.statusCode}`);
})
  .on('timeout', () => fail('no answer within 2 seconds'))
  .on('error', (error) => fail(error.message));
