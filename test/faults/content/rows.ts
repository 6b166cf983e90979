import type { Row } from '../fault.ts';

export const CONTENT: readonly Row[] = [];
