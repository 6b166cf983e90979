import { expect, test } from 'vitest';
import { Poller } from '../../src/repository/poller.ts';

function pollerOf(loaded: Record<string, string>) {
  const calls: string[] = [];
  const act = (verb: string) => async (name: string) => {
    calls.push(`${verb} ${name}`);
    if (name === 'broken') throw new Error('it cannot be loaded');
  };
  const poller = new Poller(new Map(Object.entries(loaded)), { load: act('load'), unload: act('unload') });
  return async (now: Record<string, string>) => {
    await poller.look(new Map(Object.entries(now)));
    return calls.splice(0);
  };
}

test('nothing happens while nothing changes', async () => {
  const look = pollerOf({ a: '1' });
  expect([await look({ a: '1' }), await look({ a: '1' })]).toEqual([[], []]);
});

test('a change is acted on once, as soon as it has looked the same twice', async () => {
  const look = pollerOf({ a: '1' });
  expect([await look({ a: '2' }), await look({ a: '3' }), await look({ a: '3' }), await look({ a: '3' })]).toEqual([
    [],
    [],
    ['load a'],
    [],
  ]);
});

test('a new model is loaded, and one that has gone twice in a row is unloaded', async () => {
  const look = pollerOf({ a: '1' });
  expect([await look({ b: '1' }), await look({ b: '1' }), await look({ b: '1' })]).toEqual([
    [],
    ['load b', 'unload a'],
    [],
  ]);
});

test('a load that fails is tried again when the files change, and does not keep others from being loaded', async () => {
  const look = pollerOf({});
  await look({ broken: '1', good: '1' });
  expect(await look({ broken: '1', good: '1' })).toEqual(['load broken', 'load good']);
  expect(await look({ broken: '1', good: '1' })).toEqual([]);
  await look({ broken: '2', good: '1' });
  expect(await look({ broken: '2', good: '1' })).toEqual(['load broken']);
});
