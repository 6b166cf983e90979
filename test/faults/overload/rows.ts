import type { Row } from '../fault.ts';

export const OVERLOAD: readonly Row[] = [];
