// The pages of /docs: what a browser may do there, and that names out of a model's file stay text.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { doubling, repositoryOf } from '../fixtures/models.ts';
import { serverOf } from '../fixtures/server.ts';

const CHROMIUM = '/usr/bin/chromium';
const TITLE = '<title>Swagger UI</title>';
const MARKUP = '<img src=y onerror=document.title=1><script>document.title=1</script>';

/** The model y = 2 x whose input has markup for a name. */
function withMarkup() {
  const graph = doubling();
  const [input] = graph.inputs;
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => (name === input!.name ? MARKUP : name)),
  }));
  return { ...graph, nodes, inputs: [{ ...input!, name: MARKUP }] };
}

test('scripts come from the server alone, none of them inline', async () => {
  using repository = repositoryOf({ 'm.onnx': doubling() });
  await using server = await serverOf(repository.path);
  for (const url of ['/docs', '/docs/', '/docs/static/swagger-initializer.js']) {
    const { headers } = await server.app.inject(url);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'self'");
    expect(policy).not.toContain('script-src');
    expect(policy).not.toContain('https:');
  }
});

test('a model cannot be named by markup', async () => {
  using repository = repositoryOf({ 'm.onnx': doubling(), '<script>alert(1)<~script>.onnx': doubling() });
  await using server = await serverOf(repository.path);
  expect(server.registry.names()).toEqual(['m']);
});

if (!existsSync(CHROMIUM)) console.log(`skipped: ${CHROMIUM} is not there to open /docs`);

test.runIf(existsSync(CHROMIUM))(
  'markup in the name of an input is shown, not run, and nothing breaks the policy',
  async () => {
    using repository = repositoryOf({ 'm.onnx': withMarkup() });
    await using server = await serverOf(repository.path);
    expect((await server.app.inject('/v2/models/m')).json().inputs[0].name).toBe(MARKUP);
    const address = await server.app.listen({ host: '127.0.0.1', port: 0 });
    const { page, log } = await opened(`${address}/docs/#/models/infer_m_1`);
    expect(page).toContain(TITLE);
    expect(page).toContain('operations-models-infer_m_1');
    expect(page).toContain('&lt;img src=y');
    expect(page).not.toContain('<img src=y');
    expect(log).not.toContain('Content Security Policy');
    // The same markup in a page without the policy does run: the browser can tell.
    const harmful = `data:text/html,${encodeURIComponent(`<title>Swagger UI</title>${MARKUP}`)}`;
    expect((await opened(harmful)).page).toContain('<title>1</title>');
  },
  60_000,
);

/** The page after its scripts have run, and what the browser logged. */
async function opened(url: string): Promise<{ page: string; log: string }> {
  const profile = mkdtempSync(join(tmpdir(), 'ortlet-browser-'));
  const quiet = ['--disable-background-networking', '--disable-component-update', '--no-first-run', '--disable-gpu'];
  const once = ['--headless', '--no-sandbox', '--enable-logging=stderr', '--virtual-time-budget=10000', '--dump-dom'];
  const browser = spawn(CHROMIUM, [...quiet, ...once, `--user-data-dir=${profile}`, url]);
  let page = '';
  let log = '';
  browser.stdout.on('data', (chunk) => {
    page += chunk;
  });
  browser.stderr.on('data', (chunk) => {
    log += chunk;
  });
  await new Promise((resolve) => browser.once('close', resolve));
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  return { page, log };
}
