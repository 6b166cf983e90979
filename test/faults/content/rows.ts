import type { Row } from '../fault.ts';
import { contentBombs } from './content-bombs.ts';
import { fuzzDialects } from './fuzz-dialects.ts';
import { fuzzInferBinary } from './fuzz-infer-binary.ts';
import { fuzzInferJson } from './fuzz-infer-json.ts';
import { fuzzRoutes } from './fuzz-routes.ts';
import { seriesFlood } from './series-flood.ts';

export const CONTENT: readonly Row[] = [
  {
    id: 'B1',
    threat: '`__proto__`, `constructor` and the like as names, in JSON and in the JSON before binary tensors',
    behaviour:
      'They are names like any other: what they stand for is passed over or refused, and never becomes a prototype; models, inputs and outputs may have such names',
    faults: [fuzzInferJson, fuzzDialects],
    tests: [
      'test/integration/prototypes.test.ts: a name of the language is a name like any other',
      'test/integration/prototypes.test.ts: in the JSON before binary tensors too',
      'test/integration/prototypes.test.ts: what a prototype says is not what the request says',
      'test/integration/prototypes.test.ts: inputs and outputs may have such names',
      'test/unit/json-requests.test.ts: nothing reaches a prototype',
    ],
  },
  {
    id: 'B2',
    threat: 'JSON nested up to a million deep',
    behaviour: 'Over 100 levels are refused with 400 before anything is built; nothing recurses into a body',
    faults: [contentBombs],
  },
  {
    id: 'B3',
    threat:
      'Shapes that lie: negative, broken, past 2^53, a product past counting, a thousand dimensions, not as many elements',
    behaviour: 'Refused with 400 before memory is taken: a shape is believed only as far as the body goes',
    faults: [fuzzInferJson, contentBombs],
    tests: ['test/property/allocation.test.ts: decoding takes at most 20 times the body'],
  },
  {
    id: 'B4',
    threat:
      'Binary tensors: a length of the JSON that is not its own, sizes that do not add up, strings past the end, odd alignment',
    behaviour: 'Refused with 400; what does not lie on its boundary is copied; nothing is read outside of the body',
    faults: [fuzzInferBinary],
    tests: ['test/property/codecs.test.ts: a damaged body is either still valid or refused'],
  },
  {
    id: 'B5',
    threat: 'Tensors many times their text',
    behaviour: '`maxBodyBytes` holds for the tensors as they are kept too: 413',
    faults: [contentBombs],
    tests: ['test/property/allocation.test.ts: decoding takes at most 20 times the body'],
  },
  {
    id: 'B6',
    threat: 'Very many inputs, outputs, parameters, keys, dimensions, classes',
    behaviour:
      'At most 1,024 tensors each way, each named once, 32 dimensions, 100 parameters: 400 before the schema looks at them; the highest classes are found in one pass, 65,536 at most',
    faults: [contentBombs],
    tests: [
      'test/property/allocation.test.ts: so does a body of very many parameters, names or keys',
      'test/unit/classification.test.ts: so many classes that making them would keep others waiting are refused',
    ],
  },
  {
    id: 'B7',
    threat: 'NaN, infinities, -0, subnormal numbers, 2^53+1, 1e400, halves out of range, NUL and lone surrogates',
    behaviour: 'Kept exactly, or refused where the datatype or the runtime would change them',
    tests: [
      'test/unit/json-requests.test.ts: 64-bit integers are exact over their whole range',
      'test/unit/json-requests.test.ts: NaN and the infinities are accepted as bare tokens',
      'test/property/codecs.test.ts: decode of encode is the identity, for every datatype',
      'test/property/tensors.test.ts: broken string blocks name the element and the fault',
    ],
  },
  {
    id: 'B8',
    threat: 'Texts that a regular expression goes over again and again',
    behaviour: 'Every pattern of the server and the client takes time in proportion to its text; callers send none',
    tests: ['test/unit/patterns.test.ts: the patterns of all folders are found'],
  },
  {
    id: 'B9',
    threat: 'Line ends, terminal escapes and forged lines in 22 places of requests, and credentials beside them',
    behaviour:
      'A line of the log is one line of JSON in which such characters are escaped; keys and cookies are in none; messages are cut at 2,000 characters',
    tests: [
      'test/integration/log-lines.test.ts: line ends, escapes and forged lines in %s make one line',
      'test/integration/log-lines.test.ts: a name as long as its body is cut in the answer and in the log',
    ],
  },
  {
    id: 'B10',
    threat: 'Errors that tell of the inside: stacks, paths, source locations of the runtime',
    behaviour:
      'They go into the log under the id of the request; every error of every fuzzed case is searched for them',
    faults: [fuzzInferJson, fuzzInferBinary, fuzzDialects, fuzzRoutes],
  },
  {
    id: 'B11',
    threat: 'Invented models, versions, labels, paths, methods and ids that would each make a metric',
    behaviour: 'Series are labelled by loaded models, routes and the closed list of errors alone',
    faults: [seriesFlood],
    tests: ['test/integration/http.test.ts: names that clients invent make no new metrics'],
  },
  {
    id: 'B12',
    threat: 'Malformed and oversized `traceparent`, `tracestate` and their like',
    behaviour: 'No such header is read: the answer is the same, and none is logged or passed on',
    tests: ['test/integration/log-lines.test.ts: %s changes no answer and leaves nothing in the log'],
  },
];
