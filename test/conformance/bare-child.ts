// The child process of the reference: nothing between a model and its recorded inputs but onnxruntime-node.

import { join } from 'node:path';
import type { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';
import { answerTasks } from '../../load/task-process.ts';
import { readOnnxFile } from '../../src/model/onnx-file.ts';
import { datatypeFromOnnx, traitsOf } from '../../src/tensor/datatype.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { type Case, dataSetsOf, MODEL_FILE } from './cases.ts';
import { type DataSet, readDataSet } from './data-set.ts';
import { type Elements, elementsOf } from './elements.ts';
import { judge, judgeAll, type Outcome } from './outcome.ts';

// With Float16Array the library takes no float16 input.
delete (globalThis as { Float16Array?: unknown }).Float16Array;
const onnxruntime = await import('onnxruntime-node');

const SILENT = 4;

answerTasks(async (task: Case): Promise<Outcome> => {
  const path = join(task.folder, MODEL_FILE);
  const session = await onnxruntime.InferenceSession.create(path, { logSeverityLevel: SILENT }).catch(messageOf);
  if (typeof session === 'string') return { kind: 'refused', reason: session };
  const file = readOnnxFile(path);
  // Each twice: random numbers may be those recorded by chance, and then the server cannot be held to them.
  const twice = dataSetsOf(task).flatMap((folder) => [folder, folder]);
  const outcome = await judgeAll(twice, (folder) => run(session, readDataSet(folder, file)));
  await session.release();
  return outcome;
});

async function run(session: InferenceSession, dataSet: DataSet): Promise<Outcome> {
  const wanted = [...dataSet.outputs.keys()];
  if (wanted.length === 0) return { kind: 'failed', reason: 'no output is recorded as a tensor' };
  const feeds = Object.fromEntries(Array.from(dataSet.inputs, ([name, tensor]) => [name, toOnnx(tensor)]));
  const results = await session.run(feeds, wanted, { logSeverityLevel: SILENT }).catch(messageOf);
  if (typeof results === 'string') return { kind: 'failed', reason: results };
  return judge(dataSet, new Map(wanted.map((name) => [name, fromOnnx(results[name] as OnnxTensor)])));
}

function toOnnx({ datatype, shape, data }: Tensor): OnnxTensor {
  const type = traitsOf(datatype).onnx as OnnxTensor.Type;
  return new onnxruntime.Tensor(type, data as OnnxTensor.DataType, shape) as OnnxTensor;
}

function fromOnnx({ type, dims, data }: OnnxTensor): Elements {
  return elementsOf({ datatype: datatypeFromOnnx(type)!, shape: dims, data: data as Tensor['data'] });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
