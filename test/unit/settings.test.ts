import { describe, expect, test } from 'vitest';
import { describeSettings } from '../../src/config/describe.ts';
import { loadSettings } from '../../src/config/load.ts';
import { repositoryOf } from '../fixtures/models.ts';

const load = (sources: Partial<Parameters<typeof loadSettings>[0]> = {}) =>
  loadSettings({ flags: {}, environment: {}, file: undefined, ...sources });

test('flags win over the environment, the environment over the file, the file over the defaults', () => {
  using folder = repositoryOf({ 'ortlet.yaml': 'port: 1\nhost: file\nmaxBatchSize: 7' });
  const settings = load({
    file: `${folder.path}/ortlet.yaml`,
    environment: { ORTLET_PORT: '2', ORTLET_HOST: 'env' },
    flags: { port: '3' },
  });
  expect(settings).toMatchObject({ port: 3, host: 'env', maxBatchSize: 7, instances: 1 });
});

test('execution providers are a list in the environment and a list of names or objects in the file', () => {
  expect(load({ environment: { ORTLET_EXECUTION_PROVIDERS: 'cuda, cpu' } }).executionProviders).toEqual([
    { name: 'cuda', required: false },
    { name: 'cpu', required: false },
  ]);
});

test('what Kubernetes says of a Service named ortlet is no setting', () => {
  const environment = {
    ORTLET_PORT: 'tcp://10.0.0.1:8080',
    ORTLET_SERVICE_HOST: '10.0.0.1',
    ORTLET_SERVICE_PORT_HTTP: '80',
    ORTLET_PORT_8080_TCP_ADDR: '10.0.0.1',
  };
  expect(load({ environment }).port).toBe(8080);
});

test('what Vertex AI says counts with vertex: true alone, over the environment and under flags', () => {
  const environment = {
    ORTLET_PORT: '8080',
    AIP_HTTP_PORT: '7080',
    AIP_HEALTH_ROUTE: '/v1/endpoints/1/deployedModels/2',
    AIP_PREDICT_ROUTE: '/v1/endpoints/1/deployedModels/2:predict',
  };
  expect(load({ environment })).toMatchObject({
    port: 8080,
    vertexHealthRoute: '/health',
    vertexPredictRoute: '/predict',
  });
  const told = { vertex: true, port: 7080, vertexHealthRoute: '/v1/endpoints/1/deployedModels/2' };
  expect(load({ environment: { ...environment, ORTLET_VERTEX: 'true' } })).toMatchObject(told);
  expect(load({ environment, flags: { vertex: 'true', port: '9000' } })).toMatchObject({ ...told, port: 9000 });
  expect(load({ environment: { ORTLET_VERTEX: 'true' } })).toMatchObject({
    port: 8080,
    vertexPredictRoute: '/predict',
  });
});

describe('a wrong setting is one clear line', () => {
  test.each([
    [{ environment: { ORTLET_PROT: '1' } }, "unknown setting 'ORTLET_PROT' in the environment"],
    [{ environment: { ORTLET_MAX_BATCH: '1' } }, "Did you mean 'maxBatchSize'?"],
    [{ environment: { ORTLET_PORT: '70000' } }, "setting 'port' in the environment: "],
    [{ flags: { modelControl: 'sometimes' } }, "setting 'modelControl' on the command line: "],
    [{ flags: { sageMaker: 'yes' } }, "setting 'sageMaker' on the command line: expected true or false"],
    [{ flags: { vertexHealthRoute: 'health' } }, 'expected a path that begins with /'],
    [{ environment: { ORTLET_VERTEX: 'true', AIP_HTTP_PORT: 'x' } }, "setting 'port' in the environment: "],
    [{ file: '/nosuch.yaml' }, 'the settings file /nosuch.yaml does not exist'],
  ])('%j', (sources, message) => {
    expect(() => load(sources)).toThrow(message);
  });

  test('a file that is no mapping', () => {
    using folder = repositoryOf({ 'a.yaml': '- 1', 'b.yaml': 'a: [' });
    expect(() => load({ file: `${folder.path}/a.yaml` })).toThrow('must be a mapping');
    expect(() => load({ file: `${folder.path}/b.yaml` })).toThrow('is not valid YAML');
  });
});

test('every setting is described', () => {
  for (const { name, description } of describeSettings()) expect(description, name).not.toBe('');
});

describe('API keys', () => {
  const hash = 'ab'.repeat(32);

  test('are one line in the environment and a list in a file', () => {
    const keys = [
      { name: 'ci', sha256: hash, scopes: ['infer'] },
      { name: 'ops', sha256: 'cd'.repeat(32), scopes: ['admin', 'metrics'], requestsPerSecond: 2.5 },
    ];
    const line = `ci:${hash}:infer, ops:${'cd'.repeat(32)}:admin+metrics:2.5`;
    expect(load({ environment: { ORTLET_API_KEYS: line } }).apiKeys).toEqual(keys);
    using folder = repositoryOf({ 'ortlet.yaml': JSON.stringify({ apiKeys: keys }) });
    expect(load({ file: `${folder.path}/ortlet.yaml` }).apiKeys).toEqual(keys);
  });

  test.each([
    ['ci:the-key-itself:infer', ' in the environment: expected the 64 hexadecimal digits'],
    [`ci:${hash}`, "setting 'apiKeys' in the environment: "],
    [`ci:${hash}:root`, "setting 'apiKeys' in the environment: "],
    [`ci:${hash}:infer:0`, "setting 'apiKeys' in the environment: "],
    [`ci:${hash}:infer:1:the-key-itself`, "setting 'apiKeys' in the environment: "],
    [`a b:${hash}:infer`, 'expected up to 64 letters'],
    [`a:${hash}:infer,b:${hash}:infer`, 'two keys have the same name or hash'],
  ])('%s is refused, and what was given is not repeated', (line, message) => {
    const refusal = () => load({ environment: { ORTLET_API_KEYS: line } });
    expect(refusal).toThrow(message);
    expect(refusal).not.toThrow('the-key-itself');
  });
});
