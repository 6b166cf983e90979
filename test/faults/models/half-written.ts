import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { doubling, identity, repositoryOf } from '../../fixtures/models.ts';
import { type Graph, writeOnnx } from '../../fixtures/onnx-writer.ts';
import { until } from '../../fixtures/server.ts';
import { type Fault, Tally } from '../fault.ts';
import { ServerUnderTest } from '../server-under-test.ts';
import { infer, keepBusy, multipleOf, ROW } from './clients.ts';

const POLL_MS = 50;
/** Long enough for a file that has stopped growing to look settled. */
const STALL_MS = 4 * POLL_MS;
const PARTS = 10;

export const halfWritten: Fault = {
  name: 'half-written',
  kind: 'chaos',
  promise:
    'a model file is written over in place, by a writer that stalls at every tenth of it, while the server polls: the old model serves until the new file is whole, and then the new one',
  async run({ length, progress }) {
    const times = length === 'short' ? 2 : 20;
    const tally = new Tally();
    const [one, two] = [withBallast(identity('float')), withBallast(doubling())];
    using repository = repositoryOf({ 'm/model.onnx': one, 'other.onnx': identity('float') });
    await using server = await ServerUnderTest.start({
      models: repository.path,
      args: ['--model-control', 'poll', '--poll-interval-ms', String(POLL_MS), '--log-level', 'fatal'],
    });
    const { url } = server;
    let allowed = [1];
    const right = (answer: Parameters<ReturnType<typeof multipleOf>>[0]) => multipleOf(...allowed)(answer);
    const clients = keepBusy(tally, 2, () => infer(url, 'm', ROW), right);
    for (let i = 1; i <= times; i++) {
      const factor = 1 + (i % 2);
      // Every other time the file has its full length from the start, as some copiers make it.
      const write = writeInParts(`${repository.path}/m/model.onnx`, factor === 2 ? two : one, i % 4 > 1);
      for (let part = 1; part < PARTS; part++) {
        write.next();
        await delay(STALL_MS);
      }
      allowed = [1, 2];
      write.next();
      await until(async () => multipleOf(factor)(await infer(url, 'm', ROW)) === undefined, 60_000);
      // Those that were sent before may still be answered by the old one.
      await delay(STALL_MS);
      allowed = [factor];
      progress(i, times);
    }
    await clients.end();
    return tally.outcome(`${times} files written in ${PARTS} parts, ${tally.failures} answers of a part of one`, {
      times,
    });
  },
};

/** A file of a size that is no matter of one write. */
function withBallast(graph: Graph): Uint8Array {
  const data = new Float32Array(100_000).fill(1);
  return writeOnnx({ ...graph, initializers: [{ name: 'ballast', type: 'float', shape: [data.length], data }] });
}

function* writeInParts(path: string, content: Uint8Array, fullLength: boolean): Generator<void> {
  const file = openSync(path, 'r+');
  ftruncateSync(file, 0);
  if (fullLength) ftruncateSync(file, content.length);
  for (let part = 0; part < PARTS; part++) {
    const [start, end] = [part, part + 1].map((at) => Math.floor((content.length * at) / PARTS));
    writeSync(file, content, start, end! - start!, start);
    if (part === PARTS - 1) closeSync(file);
    yield;
  }
}
