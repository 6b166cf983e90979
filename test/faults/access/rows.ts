import type { Row } from '../fault.ts';

export const ACCESS: readonly Row[] = [];
