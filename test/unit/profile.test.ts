import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readProfile, writeProfile } from '../../src/model/profile.ts';

const key = { sha256: 'a'.repeat(64), onnxruntime: '1.30.0', providers: 'cpu', cores: 2 };
const profile = {
  model: 'm',
  key,
  instances: 2,
  threads: 1,
  curve: [
    { rows: 1, ms: 0.5 },
    { rows: 2, ms: 0.75 },
  ],
  trials: [{ instances: 2, threads: 1, rowsPerSecond: 1234.5 }],
};

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ortlet-test-'));
});
afterEach(() => rmSync(root, { recursive: true }));

test('what was written is read again, from a folder that was made for it', () => {
  const folder = join(root, 'made', 'here');
  expect(readProfile(folder, key)).toBeUndefined();
  writeProfile(folder, profile);
  expect(readProfile(folder, key)).toEqual(profile);
});

test.each([
  ['file', { sha256: 'b'.repeat(64) }],
  ['onnxruntime', { onnxruntime: '1.31.0' }],
  ['list of providers', { providers: 'cuda,cpu' }],
  ['number of cores', { cores: 8 }],
])('profiles for another %s lie beside it', (_, change) => {
  const another = { ...profile, key: { ...key, ...change } };
  writeProfile(root, profile);
  expect(readProfile(root, another.key)).toBeUndefined();
  writeProfile(root, another);
  expect([readProfile(root, key), readProfile(root, another.key)]).toEqual([profile, another]);
});

test('a profile under the name of another is refused with the reason', () => {
  const path = writeProfile(root, profile);
  writeFileSync(path, JSON.stringify({ ...profile, key: { ...key, cores: 8 } }));
  expect(readProfile(root, key)).toBe('its profile is for cores 8, here it is 2');
});

test.each([
  ['no JSON', '{'],
  ['no profile', '{}'],
  ['a profile with a number that cannot be', JSON.stringify({ ...profile, instances: 0 })],
  ['a profile with more in it', JSON.stringify({ ...profile, more: 1 })],
])('%s is refused', (_, text) => {
  writeFileSync(writeProfile(root, profile), text);
  expect(readProfile(root, key)).toBe('its profile is not one that this version writes');
});
