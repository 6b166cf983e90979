import type { Row } from '../fault.ts';

export const TRANSPORT: readonly Row[] = [];
