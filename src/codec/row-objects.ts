// Rows that are objects: where each input has its value in each of them.

import { ServingError } from '../errors.ts';
import { findBase64 } from './base64.ts';
import type { DecodingTarget } from './codec.ts';
import type { ElementSource } from './json-elements.ts';
import { walkItems, walkMembers } from './json-walk.ts';
import { endOfValue, readKey } from './lifted-json.ts';

/** The value of one member of the body. */
export type ValueSource = Pick<ElementSource, 'bytes' | 'range'> & { readonly member: string };

/**
 * @returns where the values of each input begin and end, in turn, row by row
 * @throws ServingError, JsonFault
 */
export function findRows(source: ValueSource, model: DecodingTarget): ReadonlyMap<string, Uint32Array> {
  const rows = new RowObjects(source, model);
  walkItems(source.bytes, source.range.start, (at) => rows.take(at));
  return new Map(rows.columns.map(({ name, places }) => [name, places.subarray(0, 2 * rows.count)]));
}

/** Whether an object begins there whose keys are inputs: a binary string is an object too. */
export function isNamed(bytes: Buffer, at: number): boolean {
  return bytes[at] === OPEN_OBJECT && findBase64(bytes, at) < 0;
}

/** @param where the object is, for the message */
export function checkName(name: string, where: string, model: DecodingTarget): void {
  if (model.signature.inputs.some((input) => input.name === name)) return;
  throw invalid(
    `${where} has '${name}', which is no input of model '${model.name}'. Its inputs are ${quoteInputs(model)}.`,
  );
}

export function quoteInputs({ signature }: DecodingTarget): string {
  return signature.inputs.map(({ name }) => `'${name}'`).join(', ');
}

const OPEN_OBJECT = 0x7b;

interface Column {
  readonly name: string;
  /** Its key in the first row, with the quotes. */
  readonly key: number;
  readonly keyEnd: number;
  /** Where its values begin and end, in turn; 0 where there is none. */
  places: Uint32Array;
}

/**
 * A body may hold a row every ten bytes. So the keys of a row are expected in the order of the first, and are read as text
 * only where they come in another; and the places of all rows are known to fit before the second is looked at.
 */
class RowObjects {
  readonly columns: Column[] = [];
  /** Rows so far. */
  count = 0;
  readonly #bytes: Buffer;
  readonly #size: number;
  readonly #member: string;
  readonly #model: DecodingTarget;
  readonly #takeMember = (key: number, keyEnd: number, at: number) => this.#take(key, keyEnd, at);
  /** Members of the row so far. */
  #members = 0;

  constructor({ bytes, range, member }: ValueSource, model: DecodingTarget) {
    this.#bytes = bytes;
    this.#size = range.end - range.start;
    this.#member = member;
    this.#model = model;
  }

  /** @param at where a row begins @returns the place behind it */
  take(at: number): number {
    const where = this.#member;
    if (!isNamed(this.#bytes, at)) {
      throw invalid(`${where}[${this.count}] must be an object with the inputs, as ${where}[0] is`);
    }
    this.#members = 0;
    const behind = walkMembers(this.#bytes, at, this.#takeMember);
    if (this.#members < this.columns.length) {
      const missing = this.columns.find(({ places }) => places[2 * this.count + 1] === 0);
      throw invalid(`${where}[${this.count}] lacks '${missing?.name}', which ${where}[0] has`);
    }
    if (this.count === 0) this.#makeRoom();
    this.count++;
    return behind;
  }

  #take(key: number, keyEnd: number, at: number): number {
    const expected = this.columns[this.#members++];
    const { name, places } = expected && this.#isSame(expected, key, keyEnd) ? expected : this.#find(key, keyEnd);
    const i = 2 * this.count;
    if (places[i + 1] !== 0) throw invalid(`${this.#member}[${this.count}] has '${name}' twice`);
    const end = endOfValue(this.#bytes, at);
    places[i] = at;
    places[i + 1] = end;
    return end;
  }

  #isSame({ key: first, keyEnd: firstEnd }: Column, key: number, keyEnd: number): boolean {
    const length = keyEnd - key;
    if (length !== firstEnd - first) return false;
    for (let i = 0; i < length; i++) if (this.#bytes[first + i] !== this.#bytes[key + i]) return false;
    return true;
  }

  #find(key: number, keyEnd: number): Column {
    const name = readKey(this.#bytes, key, keyEnd);
    const known = this.columns.find((column) => column.name === name);
    if (known) return known;
    const where = this.#member;
    checkName(name, `${where}[${this.count}]`, this.#model);
    if (this.count > 0) throw invalid(`${where}[0] lacks '${name}', which ${where}[${this.count}] has`);
    const column = { name, key, keyEnd, places: new Uint32Array(2) };
    this.columns.push(column);
    return column;
  }

  /** For as many rows as there can be: none is shorter than its keys, a byte for each value, and a comma behind each. */
  #makeRoom(): void {
    let shortest = '{}'.length;
    for (const { name } of this.columns) shortest += Buffer.byteLength(name) + '"":1,'.length;
    const most = 1 + Math.ceil(this.#size / shortest);
    for (const column of this.columns) {
      const places = new Uint32Array(2 * most);
      places.set(column.places);
      column.places = places;
    }
  }
}

function invalid(message: string): ServingError {
  return new ServingError('INVALID_INPUT', message);
}
