import type { Row } from '../fault.ts';
import { parentDeath } from './parent-death.ts';

export const PROCESS: readonly Row[] = [
  {
    id: 'E4',
    threat: 'The server dies',
    behaviour: 'Its engines end by themselves: the socket that each reads from has closed',
    faults: [parentDeath],
  },
];
