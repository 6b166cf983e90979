import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeFrame, FRAME_KINDS, type Frame, type FrameKind, FrameReader } from '../../src/execution/frames.ts';
import { tensor, tensorOf } from '../fixtures/tensors.ts';

const kinds = Object.keys(FRAME_KINDS) as FrameKind[];
const frame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.constantFrom(...kinds),
  session: fc.nat(),
  id: fc.nat(),
  elapsedMs: fc.double({ noNaN: true }),
  at: fc.double({ noNaN: true }),
  text: fc.string(),
  tensors: fc.array(fc.tuple(fc.nat(65_535), tensor), { maxLength: 4 }),
});

test('frames come out as they went in, however the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 4 }), fc.integer({ min: 1, max: 500 }), (frames, pieceLength) => {
      const received: Frame[] = [];
      const reader = new FrameReader((one) => received.push(one));
      const stream = Buffer.concat(frames.flatMap(encodeFrame));
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
  const sent: Frame = { kind: 'run', session: 1, id: 7, elapsedMs: 0, at: 0, text: '', tensors: [[0, large]] };
  const chunks = encodeFrame(sent);
  expect(chunks[1]!.buffer).toBe((large.data as Float32Array).buffer);
  let received: Frame | undefined;
  const reader = new FrameReader((one) => {
    received = one;
  });
  reader.push(Buffer.concat(chunks));
  expect(received).toEqual(sent);
});
