// docker-compose.yml and the files it mounts.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { readDashboard } from '../../deploy/dashboard.ts';
import { lastOf, parseDockerfile } from '../../deploy/dockerfile.ts';
import { settingsSchema } from '../../src/config/schema.ts';

const duration = z.string().regex(/^\d+(ms|s|m|h)$/);

/** The parts of the Compose Specification that the file uses; any other key is refused. */
const composeSchema = z.strictObject({
  services: z.record(
    z.string().regex(/^[a-z]+$/),
    z.strictObject({
      build: z.string().optional(),
      image: z.string(),
      read_only: z.boolean().optional(),
      tmpfs: z.array(z.string()).optional(),
      cap_drop: z.array(z.string()),
      security_opt: z.array(z.string()),
      environment: z.record(z.string().regex(/^[A-Z_]+$/), z.string()).default({}),
      ports: z.array(z.string()),
      volumes: z.array(z.string()),
      healthcheck: z
        .strictObject({
          test: z.tuple([z.literal('CMD')], z.string()),
          interval: duration,
          timeout: duration,
          start_period: duration,
        })
        .optional(),
      stop_grace_period: duration.optional(),
      depends_on: z.array(z.string()).optional(),
      restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']),
    }),
  ),
  volumes: z.record(z.string(), z.strictObject({})),
});

const readYaml = (path: string) => parse(readFileSync(path, 'utf8'));
const compose = composeSchema.parse(readYaml('docker-compose.yml'));
const services = Object.entries(compose.services);
const { ortlet, prometheus, grafana } = compose.services;
const mounts = services.flatMap(([service, { volumes }]) =>
  volumes.map((volume) => {
    const [source = '', target = '', mode = 'rw'] = volume.split(':');
    return { service, source, target, mode };
  }),
);

/** The file here that a path inside a service's container is. */
function mounted(service: string, path: string): string {
  const mount = mounts.find((one) => one.service === service && path.startsWith(`${one.target}/`));
  return join(mount!.source, path.slice(mount!.target.length));
}

test('the compose file fits a strict schema of the parts of the Compose Specification that it uses', () => {
  expect(services.map(([name]) => name)).toEqual(['ortlet', 'prometheus', 'grafana']);
  for (const [name, { depends_on = [] }] of services)
    for (const other of depends_on) expect(compose.services, name).toHaveProperty(other);
});

test('every mounted folder exists and is read-only, every named volume is declared', () => {
  for (const { source, mode } of mounts) {
    if (source.startsWith('./'))
      expect({ source, mode, exists: existsSync(source) }).toEqual({ source, mode: 'ro', exists: true });
    else expect(compose.volumes).toHaveProperty(source);
  }
});

test('the services have no capabilities, gain no privileges and are published on loopback alone', () => {
  for (const [name, service] of services) {
    expect(service, name).toMatchObject({ cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    for (const port of service.ports) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  }
  expect(ortlet).toMatchObject({ read_only: true, tmpfs: ['/tmp'] });
});

test('images of others are pinned to a version', () => {
  expect(prometheus?.image).toMatch(/^prom\/prometheus:v\d+\.\d+\.\d+$/);
  expect(grafana?.image).toMatch(/^grafana\/grafana:\d+\.\d+\.\d+$/);
});

test('the container gets more time to stop than the server takes to drain', () => {
  const { drainTimeoutMs } = settingsSchema.parse({});
  expect(Number.parseInt(ortlet!.stop_grace_period!, 10) * 1000).toBeGreaterThan(drainTimeoutMs);
});

test('the health check of the compose file is the one of the image, asking for readiness', () => {
  const image = lastOf(parseDockerfile(readFileSync('Dockerfile', 'utf8')), 'HEALTHCHECK');
  expect(ortlet?.healthcheck?.test).toEqual(['CMD', ...image!.words, '/v2/health/ready']);
});

test('Prometheus scrapes the port of the service, and its rules are where it looks for them', () => {
  const config = readYaml(mounted('prometheus', '/etc/prometheus/prometheus.yml'));
  const port = ortlet?.ports[0]?.split(':').at(-1);
  expect(config.scrape_configs).toMatchObject([
    { metrics_path: '/metrics', static_configs: [{ targets: [`ortlet:${port}`] }] },
  ]);
  for (const file of config.rule_files) expect(existsSync(mounted('prometheus', `/etc/prometheus/${file}`))).toBe(true);
});

test('Grafana finds its data source and its dashboard by files, and lets nobody but viewers in', () => {
  const { datasources } = readYaml(mounted('grafana', '/etc/grafana/provisioning/datasources/prometheus.yml'));
  const port = prometheus?.ports[0]?.split(':').at(-1);
  expect(datasources).toMatchObject([{ type: 'prometheus', url: `http://prometheus:${port}`, isDefault: true }]);
  const used = readDashboard().panels.flatMap(({ datasource }) => (datasource ? [datasource.uid] : []));
  expect(new Set(used)).toEqual(new Set([datasources[0].uid]));

  const { providers } = readYaml(mounted('grafana', '/etc/grafana/provisioning/dashboards/ortlet.yml'));
  expect(existsSync(mounted('grafana', `${providers[0].options.path}/ortlet.json`))).toBe(true);
  expect(grafana?.environment).toMatchObject({
    GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
    GF_AUTH_BASIC_ENABLED: 'false',
    GF_AUTH_DISABLE_LOGIN_FORM: 'true',
    GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: `${providers[0].options.path}/ortlet.json`,
  });
});
