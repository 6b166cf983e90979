import type { Row } from '../fault.ts';
import { bombs } from './bombs.ts';

export const TRANSPORT: readonly Row[] = [
  {
    id: 'A6',
    threat: 'A small packed body that unpacks to gigabytes; a body that takes many times its size',
    behaviour:
      'Unpacking stops at `maxBodyBytes`, whatever the ratio; encodings other than gzip and deflate, and several, are refused with 415; numbers are read from the bytes',
    faults: [bombs],
  },
];
