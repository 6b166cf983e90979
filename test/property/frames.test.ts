import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { encodeFrame, FRAME_KINDS, type Frame, type FrameKind, FrameReader } from '../../src/execution/frames.ts';
import { SharedMemory } from '../../src/execution/shared-memory.ts';
import { tensor, tensorOf } from '../fixtures/tensors.ts';

const run = (tensors: Frame['tensors']): Frame => ({
  kind: 'run',
  session: 1,
  id: 7,
  elapsedMs: 0,
  at: 0,
  text: '',
  offersMemory: false,
  tensors,
});
const kinds = Object.keys(FRAME_KINDS) as FrameKind[];
const frame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.constantFrom(...kinds),
  session: fc.nat(),
  id: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  elapsedMs: fc.double({ noNaN: true }),
  at: fc.double({ noNaN: true }),
  text: fc.string(),
  offersMemory: fc.boolean(),
  tensors: fc.array(fc.tuple(fc.nat(65_535), tensor), { maxLength: 4 }),
});

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 4 }), fc.integer({ min: 1, max: 500 }), (frames, pieceLength) => {
      const received: Frame[] = [];
      const reader = new FrameReader((one) => received.push(one));
      const stream = Buffer.concat(frames.flatMap((one) => encodeFrame(one)));
      for (let i = 0; i < stream.length; i += pieceLength) reader.push(stream.subarray(i, i + pieceLength));
      expect(received).toEqual(frames);
    }),
    { numRuns: 300 },
  );
});

test('large tensors are sent as they lie, not copied into the frame', () => {
  const large = tensorOf(
    'FP32',
    [50_001],
    Array.from({ length: 50_001 }, (_, i) => i),
  );
  const sent = run([[0, large]]);
  const chunks = encodeFrame(sent);
  expect(chunks[1]!.buffer).toBe((large.data as Float32Array).buffer);
  let received: Frame | undefined;
  const reader = new FrameReader((one) => {
    received = one;
  });
  reader.push(Buffer.concat(chunks));
  expect(received).toEqual(sent);
});

describe('memory that both sides share', () => {
  const floats = (length: number, first: number) => {
    const data = Float32Array.from({ length }, (_, i) => first + i);
    return { datatype: 'FP32', shape: [length], data } as const;
  };
  const memory = SharedMemory.create();
  afterAll(() => memory?.close());

  function sendThrough(frame: Frame): { bytes: number; received: Frame | undefined } {
    const received: Frame[] = [];
    const reader = new FrameReader((one) => received.push(one), memory);
    const stream = Buffer.concat(encodeFrame(frame, memory));
    reader.push(stream);
    return { bytes: stream.length, received: received[0] };
  }

  test.skipIf(!memory)('holds the data of large tensors, one after the other, and the frame does not', () => {
    for (const first of [0, 7]) {
      const sent = run([
        [0, floats(50_001, first)],
        [1, { datatype: 'BYTES', shape: [2], data: ['é', ''] }],
        [2, floats(3, first)],
      ]);
      const { bytes, received } = sendThrough(sent);
      expect(received).toEqual(sent);
      expect(bytes).toBeLessThan(200);
    }
  });

  test.skipIf(!memory)('is not for what is small, nor for what would stop the event loop for long', () => {
    for (const length of [3, 1_100_000]) {
      const sent = run([[0, floats(length, 0)]]);
      const { bytes, received } = sendThrough(sent);
      expect(received).toEqual(sent);
      expect(bytes).toBeGreaterThan(4 * length);
    }
  });

  test.skipIf(!memory)('data that is not there is an error, not an endless wait', () => {
    const empty = SharedMemory.create()!;
    expect(() => empty.read(200_000)).toThrow('not there');
    expect(() => empty.read(2 ** 31)).toThrow('unsuitable size');
    empty.close();
  });
});
