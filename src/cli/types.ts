// `ortlet types`: the models of a server, or of files, as TypeScript for `ortlet/client`.

import { type Datatype, type ModelTensors, OrtletClient, OrtletError, type TensorMetadata } from '../client/client.ts';
import { SettingsError } from '../config/load.ts';
import type { Settings } from '../config/schema.ts';
import { modelFileOf, readModelConfig } from '../model/config.ts';
import { type OnnxValueInfo, readOnnxFile } from '../model/onnx-file.ts';
import { pickVersions } from '../model/version-policy.ts';
import { type RepositoryModel, scanRepository } from '../repository/repository.ts';
import { datatypeFromOnnx } from '../tensor/datatype.ts';

/** What a module of types is printed from. */
export interface DescribedModel {
  readonly name: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

/** Models that cannot be described are named on standard error and left out; the exit code is then 1. */
export async function printTypes(settings: Settings, from = settings.models): Promise<number> {
  const { models, failures } = /^https?:\/\//.test(from) ? await askServer(from) : readFiles(settings, from);
  process.stdout.write(typesModule(models));
  for (const failure of failures) process.stderr.write(`ortlet: left out: ${failure}\n`);
  return failures.length > 0 ? 1 : 0;
}

/** One interface a model and a map of them, in the order of their names whatever order they come in. */
export function typesModule(models: readonly DescribedModel[]): string {
  const sorted = models.toSorted(byName);
  const names = interfaceNames(sorted.map(({ name }) => name));
  const interfaces = sorted.map((model, i) =>
    [
      `export interface ${names[i]} {`,
      ...describeTensors('inputs', model.inputs),
      ...describeTensors('outputs', model.outputs),
      '}\n',
    ].join('\n'),
  );
  const map = sorted.map(({ name }, i) => `  ${key(name)}: ${names[i]};`);
  return [
    '// Printed by `ortlet types` for `ortlet/client`; print it again when the models change.\n',
    ...interfaces,
    ['export interface Models {', ...map, '}\n'].join('\n'),
  ].join('\n');
}

interface Description {
  readonly models: DescribedModel[];
  readonly failures: string[];
}

async function askServer(url: string): Promise<Description> {
  const [, server, one] = /^(.*?)(?:\/v2\/models\/([^/]+))?\/?$/.exec(url)!;
  const client = new OrtletClient({ url: server! });
  const models: DescribedModel[] = [];
  const failures: string[] = [];
  try {
    for (const name of one === undefined ? await client.models() : [decodeURIComponent(one)]) {
      await client.metadata(name).then(
        (model) => models.push(model),
        (error: Error) => failures.push(error.message),
      );
    }
  } catch (error) {
    if (error instanceof OrtletError) throw new SettingsError(error.message);
    throw error;
  }
  return { models, failures };
}

function readFiles(settings: Settings, path: string): Description {
  const models: DescribedModel[] = [];
  const failures: string[] = [];
  for (const model of scanRepository(path, modelFileOf)) {
    try {
      models.push(describeFile(model, settings));
    } catch (error) {
      failures.push(`model '${model.name}': ${(error as Error).message}`);
    }
  }
  return { models, failures };
}

/** The version that answers when a request names none. */
function describeFile({ name, folder, versions }: RepositoryModel, settings: Settings): DescribedModel {
  const newest = pickVersions([...versions.keys()], readModelConfig(name, folder, settings).versions).at(-1);
  if (newest === undefined) throw new Error('its version policy picks none of its versions');
  const file = readOnnxFile(versions.get(newest)!);
  const inputs = file.inputs.map((value) => {
    const tensor = describeValue(value);
    if (!tensor) throw new Error(`input '${value.name}' is ${value.type}, which the protocol does not know`);
    return tensor;
  });
  // The server hides outputs that the protocol does not know.
  const outputs = file.outputs.flatMap((value) => describeValue(value) ?? []);
  if (outputs.length === 0) throw new Error('it has no output that the protocol knows');
  return { name, inputs, outputs };
}

function describeValue({ name, type, shape }: OnnxValueInfo): TensorMetadata | undefined {
  const [, element = ''] = /^tensor\((.*)\)$/.exec(type) ?? [];
  const datatype = datatypeFromOnnx({ float: 'float32', double: 'float64' }[element] ?? element);
  // Numbers beyond the safe integers are negative ones: free dimensions in another hand.
  const size = (dimension: number | string) => (Number.isSafeInteger(dimension) ? (dimension as number) : -1);
  return datatype && { name, datatype, shape: shape.map(size) };
}

function describeTensors(of: keyof ModelTensors, tensors: readonly TensorMetadata[]): string[] {
  const lines = tensors.toSorted(byName).map(({ name, datatype, shape }) => {
    const sizes = shape.map((size) => (size < 0 ? 'number' : size)).join(', ');
    return `    ${key(name)}: { datatype: '${datatype}'; shape: [${sizes}]; data: ${ARRAYS[datatype]} };`;
  });
  return [`  ${of}: {`, ...lines, '  };'];
}

/** The client's DataTypes, in print. */
const ARRAYS: Record<Datatype, string> = {
  BOOL: 'boolean[]',
  UINT8: 'Uint8Array',
  UINT16: 'Uint16Array',
  UINT32: 'Uint32Array',
  UINT64: 'BigUint64Array',
  INT8: 'Int8Array',
  INT16: 'Int16Array',
  INT32: 'Int32Array',
  INT64: 'BigInt64Array',
  FP16: 'Float32Array',
  FP32: 'Float32Array',
  FP64: 'Float64Array',
  BYTES: 'string[]',
};

/** `iris-zipmap` → `IrisZipmapModel`: no name of the language's own can come out; names that would be equal are numbered. */
function interfaceNames(names: readonly string[]): string[] {
  const taken = new Map<string, number>();
  return names.map((name) => {
    const words = name.split(/[^\p{ID_Continue}]+|_+/u).filter(Boolean);
    const joined = words.map((word) => word.replace(/^./u, (letter) => letter.toUpperCase())).join('');
    const plain = `${/^\p{ID_Start}/u.test(joined) ? '' : '_'}${joined}Model`;
    const count = (taken.get(plain) ?? 0) + 1;
    taken.set(plain, count);
    return count === 1 ? plain : `${plain}${count}`;
  });
}

/** A property's name, quoted where it must be. */
function key(name: string): string {
  if (/^[A-Za-z_$][\w$]*$/.test(name)) return name;
  return `'${JSON.stringify(name).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
