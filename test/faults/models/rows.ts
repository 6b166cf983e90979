import type { Row } from '../fault.ts';

export const MODELS: readonly Row[] = [];
