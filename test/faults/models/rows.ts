import type { Row } from '../fault.ts';
import { parentDeath } from '../process/parent-death.ts';
import { badFiles } from './bad-files.ts';
import { engineOom } from './engine-oom.ts';
import { halfWritten } from './half-written.ts';
import { loadStorm } from './load-storm.ts';
import { memoryBudget } from './memory-budget.ts';
import { reloads } from './reloads.ts';

const ENGINES = 'test/integration/engines.test.ts';
const REPOSITORY = 'test/integration/repository.test.ts';
const EXTERNAL_DATA = 'test/integration/external-data.test.ts';
const TRICKS = 'test/integration/repository-tricks.test.ts';

export const MODELS: readonly Row[] = [
  {
    id: 'D1',
    threat: 'A model file that is damaged, cut short, empty or of another kind',
    behaviour: 'The load fails with its reason, in an engine of its own; the other models serve',
    faults: [badFiles],
    tests: [`${ENGINES}: a model that cannot serve is UNAVAILABLE with its reason`],
  },
  {
    id: 'D2',
    threat: 'A model that ends its process, or never comes to an end, when it is loaded or first run',
    behaviour:
      'It is loaded and run in an engine before it serves; an engine that dies or passes a limit meanwhile makes it UNAVAILABLE',
    tests: [
      `${ENGINES}: an INT4 output, which aborts onnxruntime`,
      `${ENGINES}: a run that never ends`,
      `${ENGINES}: an engine that is killed while it loads`,
    ],
  },
  {
    id: 'D3',
    threat: 'A model allocates without bound',
    behaviour:
      'Its engine is the first that the kernel ends where memory runs out, or is killed beyond 1.5 times `maxEngineBytes`; the request gets an error after one more try',
    faults: [engineOom],
    tests: ['test/unit/memory-budget.test.ts: one that is far over it is killed'],
  },
  {
    id: 'D4',
    threat: 'A model is reloaded while it serves',
    behaviour:
      'The new version is loaded and run beside the old one and takes over; the old one ends when it is idle, and serves on where the new one fails',
    faults: [reloads],
    tests: [
      `${REPOSITORY}: a reload swaps in what is on disk now, without a failed request`,
      `${REPOSITORY}: a reload that fails says why, and the old version serves on`,
    ],
  },
  {
    id: 'D5',
    threat: 'A model file is still being copied',
    behaviour:
      'A model is touched when it has looked the same twice; what is no whole model then fails its load, and is tried again when it changes',
    faults: [halfWritten],
    tests: ['test/unit/poller.test.ts: a change is acted on once, as soon as it has looked the same twice'],
  },
  {
    id: 'D6',
    threat: 'Files are deleted, or the repository is unmounted, while it serves',
    behaviour:
      'What is loaded serves on, and an engine that is replaced gets the same file, which is held open; one that was written over in place is refused',
    tests: [
      `${REPOSITORY}: files deleted in service do not matter to what is loaded`,
      `${ENGINES}: an engine that replaces a dead one has the model that was loaded, whatever has become of its file`,
    ],
  },
  {
    id: 'D7',
    threat: 'Names that climb or break lines, links that lead out or in a circle, pipes, devices, very many folders',
    behaviour:
      'Only regular files inside the repository are read, names go by a pattern, the first 10,000 entries are looked at; whatever is wrong hides no other model',
    tests: [
      `${TRICKS}: pipes, folders, links and devices in place of files`,
      `${TRICKS}: names that climb, break lines or are not text are no models`,
      'test/unit/repository.test.ts: links that lead out of the repository and names that do not fit a URL are passed over',
    ],
  },
  {
    id: 'D8',
    threat: 'A model keeps tensors in files outside its folder, missing, cut short, or no files',
    behaviour: 'Refused before the runtime sees it, which refuses it too',
    tests: [
      `${EXTERNAL_DATA}: whatever leads elsewhere fails the load with its reason`,
      `${EXTERNAL_DATA}: tensors are found in the graphs of nodes too`,
      `${EXTERNAL_DATA}: a model that is sent in a request has no files beside it`,
    ],
  },
  {
    id: 'D9',
    threat: 'Models are loaded or unloaded by whoever can reach the port',
    behaviour:
      'Refused unless `modelControl` is `explicit`; with `apiKeys`, only by a key of the scope `admin`; files only with `loadOverrides`',
    tests: [
      'test/integration/http.test.ts: loading and unloading are refused unless the operator allows them',
      'test/integration/access.test.ts: what changes the server is for the scope admin',
      'test/integration/access.test.ts: every other route of the API document needs one, and one with the right scope',
      `${REPOSITORY}: what a load request brings is refused when it is wrong, leads out of the model or is not allowed`,
    ],
  },
  {
    id: 'D10',
    threat: 'One model is loaded, unloaded and asked by many at once',
    behaviour: 'Loads and unloads of one name happen one after the other; requests meet a whole model or a 503',
    faults: [loadStorm],
    tests: [`${REPOSITORY}: loads and unloads of one name that come at once leave a whole state`],
  },
  {
    id: 'D11',
    threat: 'A model is unloaded with requests in its queue',
    behaviour: 'They are answered first, whoever comes later gets a 503, and the engines end once',
    faults: [loadStorm],
    tests: ['test/unit/dynamic-batcher.test.ts: stop finishes what is inside and takes no more'],
  },
  {
    id: 'D12',
    threat: 'Inputs or outputs that are no tensors, or of types that the protocol has not',
    behaviour:
      'Outputs are left out with a warning where there are others; else, and for inputs, the load fails with its reason',
    tests: [
      `${ENGINES}: every datatype goes through the runtime and comes back`,
      `${ENGINES}: an INT4 output, which aborts onnxruntime`,
      'test/integration/shipped-models.test.ts: an output that is no tensor is hidden, and the model says so',
    ],
  },
];

/** Of the chapter on processes: what engines hold. */
export const PROCESS_MEMORY: readonly Row[] = [
  {
    id: 'E8',
    threat: 'An engine holds ever more memory',
    behaviour:
      'Beyond `maxEngineBytes` a fresh engine takes over, and the old one ends when it is idle; in a long run beyond 1.5 times it is killed',
    faults: [memoryBudget],
    tests: ['test/unit/memory-budget.test.ts: one over its budget is replaced, idle or in a run'],
  },
  {
    id: 'E9',
    threat: 'The kernel kills an engine or the server for want of memory',
    behaviour:
      'An engine is killed first, and replaced as after any crash; the server keeps nothing on disk that a new one would have to mend, and its engines end with it',
    faults: [engineOom, parentDeath],
  },
];
