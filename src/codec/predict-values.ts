// The values of a predict request. In rows they are a list, of values for the one input or of objects with each input:
//
//   [[1,2],[3,4]]        [{"a":1,"b":"x"},{"a":2,"b":"y"}]
//
// In columns they are one value for the one input, or an object with one for each: {"a":[1,2],"b":["x","y"]}.

import { ServingError } from '../errors.ts';
import type { NamedTensors, Tensor } from '../tensor/tensor.ts';
import type { DecodingTarget } from './codec.ts';
import { joinValues } from './joined-values.ts';
import { walkMembers } from './json-walk.ts';
import { endOfValue, readKey, skipSpace } from './lifted-json.ts';
import { readNested } from './nested-tensor.ts';
import { checkName, findRows, isNamed, quoteInputs, type ValueSource } from './row-objects.ts';

const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** @throws ServingError, JsonFault */
export function readRows(source: ValueSource, model: DecodingTarget): NamedTensors {
  const { bytes, range, member } = source;
  const first = skipSpace(bytes, range.start + 1);
  if (bytes[range.start] !== OPEN_ARRAY || bytes[first] === CLOSE_ARRAY) {
    throw invalid(`'${member}' must be a list of at least one row`);
  }
  if (!isNamed(bytes, first)) return readOnly(source, model, 'a list of objects with each of them');
  const places = findRows(source, model);
  return readEach(model, (name) => {
    const found = places.get(name);
    return found && { member, ...joinValues(bytes, found) };
  });
}

/** @throws ServingError, JsonFault */
export function readColumns(source: ValueSource, model: DecodingTarget): NamedTensors {
  const { bytes, range, member } = source;
  if (!isNamed(bytes, range.start)) return readOnly(source, model, 'an object with each of them');
  const places = new Map<string, ValueSource>();
  walkMembers(bytes, range.start, (key, keyEnd, start) => {
    const name = readKey(bytes, key, keyEnd);
    checkName(name, `'${member}'`, model);
    if (places.has(name)) throw invalid(`'${member}' has '${name}' twice`);
    const end = endOfValue(bytes, start);
    places.set(name, { bytes, member, range: { start, end } });
    return end;
  });
  return readEach(model, (name) => places.get(name));
}

function readOnly(source: ValueSource, model: DecodingTarget, instead: string): NamedTensors {
  const { inputs } = model.signature;
  if (inputs.length !== 1) {
    throw invalid(`model '${model.name}' has ${inputs.length} inputs (${quoteInputs(model)}): send ${instead}`);
  }
  return readEach(model, () => source);
}

/** @param find gives the place of an input's value; undefined where the request has none */
function readEach(model: DecodingTarget, find: (name: string) => ValueSource | undefined): NamedTensors {
  const inputs = new Map<string, Tensor>();
  for (const { name, datatype } of model.signature.inputs) {
    const source = find(name);
    if (source) inputs.set(name, readNested({ ...source, name, datatype, base64: true }));
  }
  return inputs;
}

function invalid(message: string): ServingError {
  return new ServingError('INVALID_INPUT', message);
}
