// Every threat and fault, in the order of the published table, and what each is shown by.

import { ACCESS, CLOCK, PROCESS_SURROUNDINGS } from './access/rows.ts';
import { CONTENT } from './content/rows.ts';
import type { Fault, Row } from './fault.ts';
import { MODELS, PROCESS_MEMORY } from './models/rows.ts';
import { OVERLOAD, PROCESS_LASTING } from './overload/rows.ts';
import { PROCESS } from './process/rows.ts';
import { TRANSPORT } from './transport/rows.ts';

export interface Chapter {
  readonly letter: string;
  readonly title: string;
  readonly rows: readonly Row[];
}

export const CHAPTERS: readonly Chapter[] = [
  { letter: 'A', title: 'Transport and HTTP', rows: TRANSPORT },
  { letter: 'B', title: 'Parsing and content', rows: CONTENT },
  { letter: 'C', title: 'Queue, deadlines, overload', rows: inOrder([...OVERLOAD, CLOCK]) },
  { letter: 'D', title: 'Models', rows: MODELS },
  {
    letter: 'E',
    title: 'Process and machine',
    rows: inOrder([...PROCESS, ...PROCESS_MEMORY, ...PROCESS_SURROUNDINGS, ...PROCESS_LASTING]),
  },
  { letter: 'F', title: 'Access and supply chain', rows: ACCESS },
];

/** Each once. */
export const FAULTS: readonly Fault[] = [
  ...new Set(CHAPTERS.flatMap(({ rows }) => rows.flatMap(({ faults = [] }) => faults))),
];

function inOrder(rows: readonly Row[]): readonly Row[] {
  const number = ({ id }: Row) => Number(id.slice(1));
  return [...rows].sort((a, b) => number(a) - number(b));
}
