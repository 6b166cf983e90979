import type { Row } from '../fault.ts';
import { contentBombs } from './content-bombs.ts';
import { fuzzDialects } from './fuzz-dialects.ts';
import { fuzzInferBinary } from './fuzz-infer-binary.ts';
import { fuzzInferJson } from './fuzz-infer-json.ts';
import { fuzzRoutes } from './fuzz-routes.ts';
import { seriesFlood } from './series-flood.ts';

export const CONTENT: readonly Row[] = [
  {
    id: 'B3',
    threat: 'Shapes that lie',
    behaviour: 'x',
    faults: [fuzzInferJson, fuzzDialects, fuzzRoutes],
  },
  {
    id: 'B4',
    threat: 'Binary',
    behaviour: 'x',
    faults: [fuzzInferBinary, contentBombs, seriesFlood],
  },
];
