// The requests of one run: joined on the way in, filled up where their lengths differ, and cut apart on the way out.

import type { DispatchReason } from '../inference.ts';
import { shareTensors } from '../tensor/memory.ts';
import { cutOutputs, type PaddingPlan, padInputs } from '../tensor/padding.ts';
import { joinRows, splitRows } from '../tensor/rows.ts';
import type { NamedTensors } from '../tensor/tensor.ts';
import type { Entry } from './queue-entry.ts';

export class Batch {
  readonly entries: readonly Entry[];
  readonly reason: DispatchReason;
  readonly rows: number;
  /** Rows times the longest length, at least 1. */
  readonly work: number;
  readonly #length: number;
  readonly #padding: PaddingPlan | undefined;

  /** @param entries at least one @param padding undefined: all are of one shape */
  constructor(entries: readonly Entry[], reason: DispatchReason, padding: PaddingPlan | undefined) {
    this.entries = entries;
    this.reason = reason;
    this.rows = entries.reduce((sum, entry) => sum + entry.rows, 0);
    this.#length = entries.reduce((most, entry) => Math.max(most, entry.length), 1);
    this.work = Math.max(1, this.rows * this.#length);
    this.#padding = padding;
  }

  /** The instant after which some of it is of no use to begin. */
  get beginBy(): number {
    return Math.min(...this.entries.map(({ deadlineAt }) => deadlineAt));
  }

  /** Share of the run that is padding, from 0. */
  get paddingShare(): number {
    const content = this.entries.reduce((sum, entry) => sum + entry.rows * entry.length, 0);
    return 1 - Math.max(1, content) / this.work;
  }

  join(): NamedTensors {
    const plan = this.#padding;
    return joinRows(
      this.entries.map(({ inputs, length }) =>
        this.#isShort(length) ? padInputs(inputs, plan!, this.#length) : inputs,
      ),
    );
  }

  /** @returns the part of each member */
  split(outputs: NamedTensors): NamedTensors[] {
    if (this.entries.length > 1) shareTensors(outputs.values(), this.entries.length);
    const parts = splitRows(
      outputs,
      this.entries.map(({ rows }) => rows),
    );
    return parts.map((part, i) => {
      const { length } = this.entries[i]!;
      return this.#isShort(length) ? cutOutputs(part, this.#padding!, length) : part;
    });
  }

  #isShort(length: number): boolean {
    return this.#padding !== undefined && length < this.#length;
  }
}
